// A row may have expires_at = 'infinity', so the expiry is bounded. In seconds since 1970. extract() would return
// a numeric, which is slow for a million rows.
const expiry = `greatest(1, least(2147483647, ceil(date_part('epoch', expires_at))))::bigint`

const packed = `coalesce(string_agg(
  uuid_send(id) || int8send(${expiry}) || int4send(coalesce(epoch, -1)), ''), '')`

// Two numbers are subtracted, because created_at may be 'infinity', which has no interval.
const age = 'extract(epoch from clock_timestamp()) - extract(epoch from min(created_at))'

// Every statement that reads denials also reads the history, because a failover may come between two.
const history = '(select database_history()) as history'
const position = `${history}, pg_current_snapshot()::text as snapshot`

// Transactions that the snapshot $1 does not show. The first condition follows from the others. With it the planner
// reads the index, also where one transaction wrote most of the rows.
const unseen = `xid >= pg_snapshot_xmin($1::pg_snapshot)
  and (xid >= pg_snapshot_xmax($1::pg_snapshot) or xid = any (array(select pg_snapshot_xip($1::pg_snapshot))))`

// False if the snapshot $1 is ahead of this server. Then it is of another history, even with the same name.
const known = `coalesce(pg_snapshot_xmax($1::pg_snapshot)
      <= pg_snapshot_xmax(pg_current_snapshot()), false) as known`

const deltaWith = (more = '') => `
  select ${position}, ${known},
    (extract(epoch from clock_timestamp()) * 1000)::float8 as at,
    (select revision::float8 from key_ring) as keys, packed, lag${more}
  from (
    select ${packed} as packed, (${age})::float8 as lag from token_denylist
    where ${unseen}) news`

/** The NOTIFY channel for new denials. */
export const channel = 'gatehouse'

/** The statements of the feed, for the pool or for a connection of its own. */
export const replicaSql = {
  /** Gives the history a name if it has none. */
  begin: 'insert into database_incarnation default values on conflict do nothing',

  listen: `listen ${channel}`,

  /** The process id of the server process behind this connection. */
  pid: 'select pg_backend_pid() as pid',

  position: `select ${position}`,

  history: `select ${history}`,

  /** The denials of all transactions that the snapshot $1 does not show. */
  delta: deltaWith(),

  /** `delta`, with the channels that this connection listens to. */
  deltaAndChannels: deltaWith(', array(select pg_listening_channels()) as channels'),

  /**
   * The denials in the blocks of the table from $1 on, before $2. That is three times as fast as in the order of an
   * index. A row that moves meanwhile was written by a transaction of the next delta, unless the table was rewritten:
   * then it has another `file`.
   */
  page: `
    select ${history}, ${packed} as packed,
      pg_relation_filenode('token_denylist')::text as file,
      (pg_relation_size('token_denylist') / current_setting('block_size')::integer)::integer as blocks
    from token_denylist
    where ctid >= ('(' || $1::integer || ',0)')::tid and ctid < ('(' || $2::integer || ',0)')::tid`,
}

// `at` must not be later than the snapshot, because later commits are not in the list.
const list = (entries: string) => `
  select ${position}, ${known},
    (extract(epoch from statement_timestamp()) * 1000)::float8 as at,
    (select revision::float8 from key_ring) as keys,
    (select coalesce(json_agg(json_build_array(
        id, ${expiry}, epoch) order by id), '[]')
     from (select id, expires_at, epoch from token_denylist where ${entries} limit $2) found
    ) as denials`

/** At most $2 denials of transactions that the snapshot $1 does not show. A client may invent $1. */
export const listSinceSql = list(unseen)

/** The next $2 denials after the id $3, in the order of ids. */
export const listAfterSql = list('id > $3 order by id')
