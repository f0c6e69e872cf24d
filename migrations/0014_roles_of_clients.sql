-- A client that loses a role gets a new epoch, by whatever way it loses it: its tokens are stale, as
-- those of a user are. It asks for another one, which has the roles that are left.
alter table clients add column epoch integer not null default 0;

create function client_roles_raise_epoch() returns trigger language plpgsql as $$
begin
  update clients set epoch = epoch + 1 where id = old.client_id;
  return null;
end $$;

create trigger client_roles_taken after delete or update on client_roles
  for each row execute function client_roles_raise_epoch();
create trigger clients_epoch after update on clients
  for each row when (new.epoch <> old.epoch) execute function deny_tokens();

-- An epoch is at least the seconds since 2025: after a failover that lost a change, the next change must
-- not get the same epoch.
create function clients_date_epoch() returns trigger language plpgsql as $$
begin
  new.epoch := greatest(new.epoch, extract(epoch from clock_timestamp() - '2025-01-01Z')::integer);
  return new;
end $$;

create trigger clients_epoch_dated before update on clients
  for each row when (new.epoch > old.epoch) execute function clients_date_epoch();
