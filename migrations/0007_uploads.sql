-- The service has no disk of its own. What is served was made here: the re-encoded picture, never
-- the bytes that were sent, and the HTML of a README, so that who reads it costs nothing.
create table pictures (
  user_id uuid primary key references users on delete cascade,
  hash text not null,
  large bytea not null,
  small bytea not null,
  updated_at timestamptz not null default now()
);

create table readmes (
  user_id uuid primary key references users on delete cascade,
  hash text not null,
  markdown text not null,
  html text not null,
  front_matter jsonb not null,
  updated_at timestamptz not null default now()
);

-- A picture is compressed already.
alter table pictures alter column large set storage external, alter column small set storage external;
