-- Transaction ids are comparable within one history of the database only: a promoted standby that
-- lagged assigns ids again that the old primary had used. A snapshot is kept with its history's name.

-- PostgreSQL empties an unlogged table after a crash, on a promoted standby and in a restored backup.
-- The first instance that finds no row inserts another.
create unlogged table database_incarnation (
  id boolean primary key default true check (id),
  name uuid not null default gen_random_uuid()
);
insert into database_incarnation default values;

-- The name of the present history; null while the row above is missing. It also changes with the
-- cluster, its timeline, its start, the database and the table: a copy of a stopped server keeps rows.
-- An engine or a role without the control functions does without them.
create function database_history() returns text language plpgsql stable as $$
declare
  cluster text := '';
  timeline text := '';
  incarnation uuid;
begin
  if pg_is_in_recovery() then
    raise exception 'this server is a standby' using errcode = 'read_only_sql_transaction';
  end if;
  begin
    select system_identifier into cluster from pg_control_system();
  exception when others then null;
  end;
  begin
    -- pg_control_checkpoint() tells the old timeline until the first checkpoint after a promotion.
    timeline := left(pg_walfile_name(pg_current_wal_lsn()), 8);
  exception when others then null;
  end;
  select name into incarnation from database_incarnation;
  return left(encode(sha256(convert_to(concat_ws(' ',
    cluster, timeline, extract(epoch from pg_postmaster_start_time()),
    (select oid from pg_database where datname = current_database()),
    'token_denylist'::regclass::oid) || ' ' || incarnation, 'UTF8')), 'hex'), 32);
end $$;

-- Two histories must not give one epoch to two changes of a user: a token from the lost history would
-- outlive the change made on the new one. Epochs are therefore at least the seconds since 2025.
create function users_date_epoch() returns trigger language plpgsql as $$
begin
  new.epoch := greatest(new.epoch, extract(epoch from clock_timestamp() - '2025-01-01Z')::integer);
  return new;
end $$;

-- After users_disabled: triggers fire in the order of their names.
create trigger users_epoch_dated before update on users
  for each row when (new.epoch > old.epoch) execute function users_date_epoch();

-- Rows that arrive by logical replication bring the transaction id of another server.
create function token_denylist_restamp() returns trigger language plpgsql as $$
begin
  new.xid := pg_current_xact_id();
  return new;
end $$;

create trigger token_denylist_replicated before insert or update on token_denylist
  for each row execute function token_denylist_restamp();
alter table token_denylist enable replica trigger token_denylist_replicated;
