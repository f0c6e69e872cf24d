-- last_logins has replaced it. Last, because this locks out the readers of `users` until the commit.
drop index users_last_login_at_idx;
