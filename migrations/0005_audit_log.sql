-- Who did what to whom, when and from where. Rows outlive the users that they name.
create table audit_log (
  id uuid primary key,
  at timestamptz not null default now(),
  event text not null,
  actor_id uuid,
  user_id uuid,
  address text,
  user_agent text,
  request_id text,
  detail jsonb not null default '{}'
);

create index audit_log_user_id_idx on audit_log (user_id, id);
create index audit_log_at_idx on audit_log (at);

-- Append-only. Only the retention job says that it is that, for its own transaction, and even it
-- cannot change a row.
create function audit_log_is_append_only() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' and current_setting('gatehouse.retention', true) = 'on' then
    return old;
  end if;
  raise exception 'audit_log is append-only' using errcode = 'insufficient_privilege';
end $$;

create trigger audit_log_rows before update or delete on audit_log
  for each row execute function audit_log_is_append_only();
create trigger audit_log_truncate before truncate on audit_log
  for each statement execute function audit_log_is_append_only();
