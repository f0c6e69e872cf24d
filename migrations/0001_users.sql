-- Identifiers are kept as typed, and once more in canonical form (NFKC, lower case; digits for a
-- mobile number), which the application makes. The unique constraints below decide who has one.
create table users (
  id uuid primary key,
  name text,
  username text,
  username_canonical text constraint users_username_key unique,
  email text,
  email_canonical text constraint users_email_key unique,
  mobile text,
  mobile_canonical text constraint users_mobile_key unique,
  gender text,
  password_hash text,
  epoch integer not null default 0,
  activated_at timestamptz,
  disabled_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint users_identifier_check check (num_nonnulls(username, email, mobile) > 0)
);

create table roles (
  name text primary key check (name ~ '^[a-z][a-z0-9_-]{0,62}$'),
  created_at timestamptz not null default now()
);

insert into roles (name) values ('admin'), ('user');

create table user_roles (
  user_id uuid not null references users on delete cascade,
  role text not null references roles on delete cascade,
  primary key (user_id, role)
);

create index user_roles_role_idx on user_roles (role);
