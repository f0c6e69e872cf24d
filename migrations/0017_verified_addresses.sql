-- Since when an address of the account has been verified without a break: logins by providers that were
-- connected before may be a stranger's. Null on older rows: then the address that was verified first counts.
alter table users add column proven_at timestamptz;

-- A code of this purpose releases an unverified address from the account that has it, and makes an account
-- of its own for the reader of the message.
alter table one_time_codes drop constraint one_time_codes_purpose_check,
  add constraint one_time_codes_purpose_check check (
    purpose in ('activation', 'password_reset', 'email_change', 'mobile_change', 'address_claim'));

-- Verified addresses have been recorded since 0004. Only those that an administrator set were not: they
-- count as verified now. The audit log knows which accounts an administrator made; where it says of any
-- later change, nobody can tell who typed the address, and it stays unverified.
update users set
  email_verified_at = case when email is null then null else coalesce(email_verified_at, made.at) end,
  mobile_verified_at = case when mobile is null then null else coalesce(mobile_verified_at, made.at) end
from (select user_id, min(at) as at from audit_log where event = 'user.created' group by user_id) as made
where users.id = made.user_id and not exists (
  select from audit_log where audit_log.user_id = users.id
    and event in ('user.updated', 'user.address_changed', 'user.claimed', 'user.registered'));
