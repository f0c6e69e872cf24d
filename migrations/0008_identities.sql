-- Who a user is elsewhere. The key is what the provider promises never to reassign, under the issuer
-- that promises it; an e-mail address is neither.
create table identities (
  issuer text not null,
  subject text not null,
  user_id uuid not null references users on delete cascade,
  email text,
  created_at timestamptz not null default now(),
  primary key (issuer, subject),
  constraint identities_user_key unique (user_id, issuer)
);

-- Logins by a provider that have come back: each does so once, whichever instance it comes back to.
create table spent_logins (
  id uuid primary key,
  expires_at timestamptz not null
);

create index spent_logins_expires_at_idx on spent_logins (expires_at);
