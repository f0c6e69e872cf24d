-- Notices of logins on a device that the account did not know. `id` is the session that the login opened, which may have
-- ended since. The link in the message has 256 random bits, so its SHA-256 tells nothing of it; null until the message
-- is sent. A used one is kept until it expires, so that a second use is told apart from an unknown link.
create table login_notices (
  id uuid primary key,
  user_id uuid not null references users on delete cascade,
  token_hash bytea constraint login_notices_token_key unique,
  user_agent text,
  address text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz
);

create index login_notices_user_id_idx on login_notices (user_id);
create index login_notices_expires_at_idx on login_notices (expires_at);

-- The login that a message tells of.
alter table outbox add column login_id uuid references login_notices on delete cascade;

create index outbox_login_id_idx on outbox (login_id) where login_id is not null;

-- The devices of a user's last logins, 64 bits of a hash each, and the version of the password that they used: a new
-- password forgets them. Null until a login notes its device, so that a login after the upgrade is no news.
alter table last_logins add column devices bigint[] not null default '{}', add column devices_version integer;
