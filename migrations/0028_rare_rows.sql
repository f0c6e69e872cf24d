-- What an administrator lists and few rows have: without an index, a list reads all rows to find them.
create index users_disabled_idx on users (id) where disabled_at is not null;
create index users_pending_idx on users (id) where activated_at is null and disabled_at is null;
create index audit_log_event_idx on audit_log (event, id);
