-- An entry with an epoch speaks of a user: tokens of an older one are stale. `xid` is the transaction
-- that wrote the entry: with it a replica asks for what it has not seen yet, and misses nothing,
-- whatever the order of the commits.
alter table token_denylist
  add column epoch integer,
  add column xid xid8 not null default pg_current_xact_id();

create index token_denylist_xid_idx on token_denylist (xid);

-- Whoever changes a user, by whatever way, ends what their tokens say: a new epoch makes them stale,
-- and so does disabling; a user who is gone has none that live. A day is the longest that a token may.
create function users_raise_epoch() returns trigger language plpgsql as $$
begin
  new.epoch := old.epoch + 1;
  return new;
end $$;

create trigger users_disabled before update on users for each row
  when (old.disabled_at is null and new.disabled_at is not null and new.epoch = old.epoch)
  execute function users_raise_epoch();

create function deny_tokens() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' then
    insert into token_denylist (id, expires_at) values (old.id, now() + interval '25 hours')
      on conflict (id) do update
      set expires_at = excluded.expires_at, epoch = null, xid = excluded.xid;
  else
    insert into token_denylist (id, epoch, expires_at)
      values (new.id, new.epoch, now() + interval '25 hours')
      on conflict (id) do update
      set expires_at = excluded.expires_at, epoch = excluded.epoch, xid = excluded.xid;
  end if;
  perform pg_notify('gatehouse', '');
  return null;
end $$;

create trigger users_deleted after delete on users
  for each row execute function deny_tokens();
create trigger users_epoch after update on users
  for each row when (new.epoch <> old.epoch) execute function deny_tokens();
