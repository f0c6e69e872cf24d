/** As a failover leaves it: the database is on another history, whose transaction ids start lower. */
export const changeHistory = `truncate database_incarnation;
  insert into database_incarnation default values`

/** A denial by a transaction that every snapshot of before takes for seen. */
export const denyEarly = `insert into token_denylist (id, expires_at, xid)
  values ($1, now() + interval '15 minutes', '3')`
