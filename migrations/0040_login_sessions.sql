-- Sessions that belong to one login. `login_id` is the session that the login opened; null in that session itself. A
-- session of an app is opened with a code of that login, and ends with it. Neither column has an index entry for the
-- session of a login, so a login writes as many as before.
alter table sessions
  add column login_id uuid references sessions on delete cascade,
  add column client_id uuid references clients on delete cascade;

create index sessions_login_id_idx on sessions (login_id) where login_id is not null;
create index sessions_client_id_idx on sessions (client_id) where client_id is not null;

-- When and how the user proved who they are (RFC 9068 §2.2.1). Without `auth_time` that was when the session was
-- created. So it is for the session of each login, and for all that an older build has opened or opens: no row has to be
-- rewritten. How those were proven was not stored.
alter table sessions
  add column auth_time timestamptz,
  add column amr text[];

-- A session that is opened while its login ends is not seen by the statement that ends the login. The foreign key
-- deletes it, and this trigger denies its access tokens. The statement has denied the others.
create function sessions_deny_tokens() returns trigger language plpgsql as $$
begin
  insert into token_denylist (id, expires_at) values (old.id, now() + interval '25 hours')
    on conflict (id) do nothing;
  if found then perform pg_notify('gatehouse', ''); end if;
  return null;
end $$;

create trigger sessions_of_login_deleted after delete on sessions
  for each row when (old.login_id is not null and old.expires_at > now())
  execute function sessions_deny_tokens();

-- A public client has no secret that it could keep, such as a single-page app. Its `secret_hash` is of a secret that
-- nobody knows, so an older build refuses it.
alter table clients add column is_public boolean not null default false;
