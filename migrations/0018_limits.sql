-- A guess is reserved before it is checked, and counted or given back after. A reservation is the time at
-- which it expires (milliseconds since 1970, 43 bits) and 20 random bits that tell it from others.
-- `most` counts pass at once; `open_at` is when the next one passes after those.
delete from rate_limits;
alter table rate_limits
  alter column expire set default 0,
  add column most integer not null default 0,
  add column open_at bigint not null default 9007199254740991,
  add column pending bigint[] not null default '{}';

-- Counts changes of the password, not of its hash: marks of devices and networks die with a password.
alter table users add column password_version integer not null default 0;
