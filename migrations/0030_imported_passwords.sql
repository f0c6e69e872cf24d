-- How an imported password is hashed, without salt and digest. A failed login takes as long as the slowest of
-- these would. It is null for a hash that Gatehouse has made.
alter table users add column password_scheme text;
create index users_password_scheme_idx on users (password_scheme) where password_scheme is not null;

-- A trigger, because an instance of an older release replaces hashes too.
create function users_forget_scheme() returns trigger language plpgsql as $$
begin
  new.password_scheme := null;
  return new;
end $$;

create trigger users_password_replaced before update of password_hash on users
  for each row when (old.password_scheme is not null and new.password_hash is distinct from old.password_hash)
  execute function users_forget_scheme();

-- Keys that take part in imported hashes, sealed under KEYS_SECRET. Schemes name them. A key is deleted when no
-- user has such a hash.
create table import_keys (
  id uuid primary key,
  sealed_key bytea not null,
  created_at timestamptz not null default now()
);
