-- One row a login. A refresh is one update in place that touches no indexed column, so that
-- PostgreSQL keeps it in the page (HOT): hence the room that fillfactor leaves.
create table sessions (
  id uuid primary key,
  user_id uuid not null references users on delete cascade,
  generation integer not null default 0,
  user_agent text,
  address text,
  created_at timestamptz not null default now(),
  rotated_at timestamptz not null default now(),
  expires_at timestamptz not null
) with (fillfactor = 70);

create index sessions_user_id_idx on sessions (user_id);
create index sessions_expires_at_idx on sessions (expires_at);

-- An id is the jti of a token or the sid of a session; it is kept until no token that bears it
-- could be valid any more.
create table token_denylist (
  id uuid primary key,
  expires_at timestamptz not null
);

create index token_denylist_expires_at_idx on token_denylist (expires_at);
