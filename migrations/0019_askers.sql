-- From where a message was asked for: a network, the hash of a cookie, the mark of a device. Who asked has
-- guesses of their own at the code in it, and devices and networks of a login have their own messages.
-- `is_counted`: the message was counted, and is not counted again when it is sent again.
alter table outbox
  add column asker jsonb,
  add column is_counted boolean not null default false;

alter table one_time_codes
  add column asker_network text,
  add column asker_cookie text,
  add column asker_attempts smallint not null default 0;
