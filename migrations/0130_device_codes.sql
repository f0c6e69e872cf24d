-- Devices that wait for a user (RFC 8628). A device code has 256 random bits, so its SHA-256 tells nothing of it. A user
-- code has 34 bits, so its hash is made with a key that is not in the database. Without a `client_id` the device runs
-- `gatehouse login`. A code of a client that is deleted goes with it.
create table device_codes (
  device_hash bytea primary key,
  user_hash bytea not null constraint device_codes_user_hash_key unique,
  client_id uuid references clients on delete cascade,
  -- The network counts for the bound on codes; address and user agent are shown to the user.
  network text not null,
  address text not null,
  user_agent text,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  -- When the device may ask again, in seconds after it has asked.
  poll_interval integer not null,
  polled_at timestamptz,
  -- The user who typed the code first. No other user may answer.
  user_id uuid,
  decided_at timestamptz,
  -- The session in which the user approved; null if they denied.
  session_id uuid,
  -- The session of the device, once it has got its tokens.
  opened_id uuid
);

create index device_codes_expires_at_idx on device_codes (expires_at);
create index device_codes_client_id_idx on device_codes (client_id);

-- Whether a client may log users in by a device code. A client of an older build may not.
alter table clients add column allows_device boolean not null default false;
