-- Where the browser may return with a code: the exact text, nothing else matches.
create table client_redirect_uris (
  client_id uuid not null references clients on delete cascade,
  uri text not null,
  primary key (client_id, uri)
);

-- A code is for one exchange within a minute (RFC 6749 §4.1.2). It has 256 random bits, so its SHA-256 tells nothing of
-- it. A spent one is kept for an hour, so that a second use is noticed. The ids have no foreign keys: the exchange
-- checks that client and session are still there.
create table authorization_codes (
  code_hash bytea primary key,
  client_id uuid not null,
  redirect_uri text not null,
  code_challenge text not null,
  user_id uuid not null,
  session_id uuid not null,
  -- The session that the exchange opened; null until then.
  opened_id uuid,
  expires_at timestamptz not null
);

create index authorization_codes_session_id_idx on authorization_codes (session_id, expires_at);
create index authorization_codes_expires_at_idx on authorization_codes (expires_at);
