-- The time of the last login. The sessions do not keep it, because they end, nor does the audit log, because
-- old entries are removed. It is null before the first login.
alter table users add column last_login_at timestamptz;

-- Instances of an older release do not write it: during an upgrade their logins are missing.
update users set last_login_at = logins.at
from (
  select user_id, max(at) as at from (
    select user_id, at from audit_log where event = 'login.succeeded'
    union all
    select user_id, created_at from sessions
  ) as login group by user_id
) as logins
where users.id = logins.user_id;
