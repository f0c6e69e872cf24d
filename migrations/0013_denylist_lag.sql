-- When an entry was written tells how late a replica reads it, by the one clock of the database.
-- The first default needs no look at the rows that there are; a volatile one would write them anew.
alter table token_denylist add column created_at timestamptz not null default now();
alter table token_denylist alter column created_at set default clock_timestamp();

create or replace function deny_tokens() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' then
    insert into token_denylist (id, expires_at) values (old.id, now() + interval '25 hours')
      on conflict (id) do update
      set expires_at = excluded.expires_at, epoch = null, xid = excluded.xid,
        created_at = excluded.created_at;
  else
    insert into token_denylist (id, epoch, expires_at)
      values (new.id, new.epoch, now() + interval '25 hours')
      on conflict (id) do update
      set expires_at = excluded.expires_at, epoch = excluded.epoch, xid = excluded.xid,
        created_at = excluded.created_at;
  end if;
  perform pg_notify('gatehouse', '');
  return null;
end $$;
