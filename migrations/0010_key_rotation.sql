-- From when a key signs; the one before it has been retired since. Until then it is only published.
-- A key that was there before this signs since it was made.
alter table signing_keys add column signs_from timestamptz not null default now();
update signing_keys set signs_from = created_at;

-- What an instance compares with what it has loaded. One row, which every change of keys counts up.
create table key_ring (
  id boolean primary key default true check (id),
  revision bigint not null
);
insert into key_ring (revision) values (0);

create function signing_keys_changed() returns trigger language plpgsql as $$
begin
  update key_ring set revision = revision + 1;
  perform pg_notify('gatehouse', 'keys');
  return null;
end $$;

create trigger signing_keys_changed after insert or update or delete on signing_keys
  for each row execute function signing_keys_changed();
