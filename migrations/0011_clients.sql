-- Services that get tokens of their own, and may ask about those of others. A secret has 256 random
-- bits, so that its SHA-256 tells nothing of it (ASVS 6.5.2). What is called `gatehouse` in a token
-- is what a user logged in with.
create table clients (
  id uuid primary key,
  name text not null constraint clients_name_key unique
    check (name ~ '^[a-z][a-z0-9._-]{0,62}$' and name <> 'gatehouse'),
  secret_hash bytea not null,
  created_at timestamptz not null default now()
);

create table client_roles (
  client_id uuid not null references clients on delete cascade,
  role text not null constraint client_roles_role_fkey references roles on delete cascade,
  primary key (client_id, role)
);

create index client_roles_role_idx on client_roles (role);

create trigger clients_deleted after delete on clients
  for each row execute function deny_tokens();
