-- The authenticator app of a user (TOTP, RFC 6238). Secrets are sealed. `secret` is null until a code has confirmed
-- it; `pending` is one that waits for that, beside the present one. `last_step` is the last time step that was used.
create table totp_factors (
  user_id uuid primary key references users on delete cascade,
  secret bytea,
  confirmed_at timestamptz,
  last_step bigint not null default 0,
  pending bytea,
  pending_until timestamptz
);

-- An HMAC under KEYS_SECRET of each code that is not used.
create table recovery_codes (
  user_id uuid not null references users on delete cascade,
  code_hash bytea not null,
  primary key (user_id, code_hash)
);

-- Logins that wait for a second factor. Hashes only. `binding_hash` is of a cookie of the browser. An enrolment is the
-- login of a user who has to add a factor first.
create table login_challenges (
  token_hash bytea primary key,
  user_id uuid not null references users on delete cascade,
  password_version integer not null,
  is_enrolment boolean not null,
  binding_hash bytea,
  amr text[],
  detail jsonb not null default '{}',
  attempts smallint not null default 0,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);

create index login_challenges_user_id_idx on login_challenges (user_id, created_at);
create index login_challenges_expires_at_idx on login_challenges (expires_at);

-- Devices on which the user is not asked for the second factor again.
create table trusted_devices (
  id uuid primary key,
  user_id uuid not null references users on delete cascade,
  token_hash bytea not null constraint trusted_devices_token_key unique,
  user_agent text,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);

create index trusted_devices_user_id_idx on trusted_devices (user_id);
create index trusted_devices_expires_at_idx on trusted_devices (expires_at);

-- Trust ends with the password and when the account is disabled, whatever changes them.
create function users_end_trust() returns trigger language plpgsql as $$
begin
  delete from trusted_devices where user_id = new.id;
  delete from login_challenges where user_id = new.id;
  return null;
end $$;

create trigger users_trust_ended after update of password_version, disabled_at on users
  for each row when (old.password_version <> new.password_version
    or (old.disabled_at is null and new.disabled_at is not null))
  execute function users_end_trust();
