-- An address counts as verified once a code or link that was sent to it came back.
alter table users add column email_verified_at timestamptz, add column mobile_verified_at timestamptz;

-- One living code a user and purpose: a newer one takes the place of the older. Hashes only: SHA-256
-- of the link's token, an HMAC under KEYS_SECRET of the short code.
create table one_time_codes (
  id uuid primary key,
  user_id uuid not null references users on delete cascade,
  purpose text not null check (purpose in ('activation', 'password_reset', 'email_change', 'mobile_change')),
  kind text not null check (kind in ('email', 'mobile')),
  address text not null,
  address_canonical text not null,
  link_hash bytea not null constraint one_time_codes_link_key unique,
  code_hash bytea not null,
  attempts smallint not null default 0,
  code_expires_at timestamptz not null,
  link_expires_at timestamptz not null,
  used_at timestamptz,
  created_at timestamptz not null default now(),
  constraint one_time_codes_purpose_key unique (user_id, purpose)
);

create index one_time_codes_address_idx on one_time_codes (address_canonical, purpose);
create index one_time_codes_link_expires_at_idx on one_time_codes (link_expires_at);

-- What is still to be sent, written in the transaction that wants it sent. It names a text and its
-- addressee; a code is made while it is being sent, so that none is ever stored in the clear.
create table outbox (
  id uuid primary key,
  message text not null,
  kind text not null check (kind in ('email', 'mobile')),
  address text not null,
  user_id uuid references users on delete cascade,
  attempts integer not null default 0,
  due_at timestamptz not null default now(),
  created_at timestamptz not null default now()
);

create index outbox_due_at_idx on outbox (due_at);
create index outbox_user_id_idx on outbox (user_id);
