-- The passkeys of users (WebAuthn credentials). Nothing in it is secret: `public_key` is a COSE key. `sign_count` only
-- grows, or stays 0. `is_discoverable`: a login without a username can use it. An older build does not know the table,
-- and asks these users for their password.
create table passkeys (
  id uuid primary key,
  user_id uuid not null references users on delete cascade,
  credential_id bytea not null constraint passkeys_credential_id_key unique,
  public_key bytea not null,
  sign_count bigint not null,
  aaguid uuid not null,
  name text not null,
  transports text[] not null,
  is_discoverable boolean not null,
  backup_eligible boolean not null,
  backed_up boolean not null,
  created_at timestamptz not null default clock_timestamp(),
  last_used_at timestamptz
);

create index passkeys_user_id_idx on passkeys (user_id, created_at);
