-- The orders of the list of users: a page is read from the index, from any cursor on. Users without a value
-- are the lowest.
create index users_created_at_idx on users (created_at, id);
create index users_email_order_idx on users (coalesce(email_canonical, ''), id);
create index users_last_login_at_idx on users (coalesce(last_login_at, '-infinity'), id);
