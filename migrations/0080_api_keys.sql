-- Keys of scripts. A key has 190 random bits, so its SHA-256 tells nothing of it (ASVS 6.5.2). An older build does not
-- know the table: it refuses a key as any other invalid token.
create table api_keys (
  id uuid primary key,
  user_id uuid not null references users on delete cascade,
  name text not null,
  secret_hash bytea not null constraint api_keys_secret_hash_key unique,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  last_used_at timestamptz,
  -- From when on the owner is to be told that the key expires soon; null once that is done.
  warn_at timestamptz
);

create index api_keys_user_id_idx on api_keys (user_id, created_at);
create index api_keys_expires_at_idx on api_keys (expires_at);
create index api_keys_warn_at_idx on api_keys (warn_at) where warn_at is not null;

-- The roles that a key may use while its owner has them too. A role that is deleted and created again is another role.
create table api_key_roles (
  key_id uuid not null references api_keys on delete cascade,
  role text not null references roles on delete cascade,
  primary key (key_id, role)
);

create index api_key_roles_role_idx on api_key_roles (role);

-- A key that is deleted before its end is denied at once, with the access tokens that were issued for it.
create function api_keys_deny_tokens() returns trigger language plpgsql as $$
begin
  insert into token_denylist (id, expires_at) values (old.id, now() + interval '25 hours')
    on conflict (id) do nothing;
  if found then perform pg_notify('gatehouse', ''); end if;
  return null;
end $$;

create trigger api_keys_deleted after delete on api_keys
  for each row when (old.expires_at > now()) execute function api_keys_deny_tokens();
