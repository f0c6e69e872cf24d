-- The time of the last login, outside of `users`: a login writes a row of 50 bytes with two indexes. It wrote a new
-- version of the whole user, and an entry in each of the seven indexes of `users`. Until the first login it
-- is -infinity, so that the list of users can be read in the order of the index.
create table last_logins (
  user_id uuid primary key references users on delete cascade,
  at timestamptz not null
) with (fillfactor = 80);

create function users_last_login() returns trigger language plpgsql as $$
begin
  insert into last_logins (user_id, at) values (new.id, coalesce(new.last_login_at, '-infinity'))
    on conflict (user_id) do update set at = excluded.at;
  return null;
end $$;

create trigger users_last_login_begun after insert on users
  for each row execute function users_last_login();
-- Older builds write it into `users`. A later release drops the column, and this trigger.
create trigger users_last_login_changed after update of last_login_at on users
  for each row execute function users_last_login();

insert into last_logins (user_id, at) select id, coalesce(last_login_at, '-infinity') from users;
create index last_logins_at_idx on last_logins (at, user_id);
-- 0031 drops users_last_login_at_idx.
