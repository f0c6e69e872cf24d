import { soon, type Denial } from '@gatehouse/verify/protocol'
import type { Db } from '../../db/pool.js'

/** A snapshot means something only on the history of the database that it was taken from. */
export type Position = {
  /** Null until an instance has named the present history. */
  history: string | null
  /** Transactions as `pg_snapshot` shows them. */
  snapshot: string
}

/** What has been written since a snapshot, and how the database stands: its position is the next to ask with. */
export type Delta = Position & {
  /** Whether the snapshot that was asked about can be of this history. */
  known: boolean
  /** Entries as entries.ts reads them. */
  packed: Buffer
  /** The clock of the database, in milliseconds since 1970. */
  at: number
  /** How often the signing keys have changed. */
  keys: number
  /** Seconds since the oldest of the entries was written, by the clock of the database; null without any. */
  lag: number | null
}

export type Found = { id: string; epoch: number | null }

/** An entry as others read it: its id, its expiry in seconds, and null where it is dead altogether. */
export type Listed = [id: string, expires_at: number, epoch: number | null]

/** Entries for others, and how the database stood before it looked for them. */
export type Listing = Omit<Delta, 'packed' | 'lag'> & { denials: Listed[] }

// Somebody may have written `infinity`.
const expiry = 'greatest(1, least(2147483647, ceil(extract(epoch from expires_at))))::bigint'
const pack = `coalesce(string_agg(
  uuid_send(id) || int8send(${expiry}) || int4send(coalesce(epoch, -1)), ''), '')`

// Two numbers, since of `infinity` a timestamp cannot be taken away.
const age = 'extract(epoch from clock_timestamp()) - extract(epoch from min(created_at))'

// In each statement that reads denials, so that no switch of servers can fall between the two.
const history = '(select database_history()) as history'
const position = `${history}, pg_current_snapshot()::text as snapshot`

// Where two histories cannot be told apart by name, transactions that are yet to come give one away.
const known = `coalesce(pg_snapshot_xmax($1::pg_snapshot)
      <= pg_snapshot_xmax(pg_current_snapshot()), false) as known`

const deltaWith = (more = '') => `
  select ${position}, ${known},
    (extract(epoch from clock_timestamp()) * 1000)::float8 as at,
    (select revision::float8 from key_ring) as keys, packed, lag${more}
  from (
    select ${pack} as packed, (${age})::float8 as lag from token_denylist
    where xid >= pg_snapshot_xmax($1::pg_snapshot)
      or xid = any (array(select pg_snapshot_xip($1::pg_snapshot)))) news`

/** Instances that listen to it hear of new denials. */
export const channel = 'gatehouse'

/** The statements of a replica, which run on whatever connection it has. */
export const replicaSql = {
  /** Names the history where that has not been done. */
  begin: 'insert into database_incarnation default values on conflict do nothing',

  listen: `listen ${channel}`,

  /** Which process of the server answers. */
  pid: 'select pg_backend_pid() as pid',

  position: `select ${position}`,

  history: `select ${history}`,

  /** What was written by transactions that $1 does not show. */
  delta: deltaWith(),

  /** The same, and what the connection listens to. */
  deltaAndChannels: deltaWith(', array(select pg_listening_channels()) as channels'),

  /** The next so many, in the order of their ids. */
  page: `
    select ${history}, ${pack} as packed,
      (array_agg(id order by id desc))[1] as last, count(*)::integer as count
    from (select * from token_denylist where id > $1 order by id limit $2) page`,
}

// Not later than the snapshot: what is committed from then on was not looked for.
const listing = (entries: string) => `
  select ${position}, ${known},
    (extract(epoch from statement_timestamp()) * 1000)::float8 as at,
    (select revision::float8 from key_ring) as keys,
    (select coalesce(json_agg(json_build_array(
        id, ${expiry}, epoch) order by id), '[]')
     from (select id, expires_at, epoch from token_denylist where ${entries} limit $2) found
    ) as denials`

/** As `delta`, but that whoever asks may have made the snapshot up: it costs what is found. */
const listingSince = listing(
  'xid >= pg_snapshot_xmax($1) or xid = any (array(select pg_snapshot_xip($1)))',
)
const listingPage = listing('id > $3 order by id')

const day = 86_400

/** The only SQL about denials but for those that end a session (sessions/endings.ts). */
export function createDenylistRepository(
  db: Db,
  denyFor: number,
  onDenied: (denials: Denial[]) => void,
) {
  return {
    /** Denies a token by its `jti`, or whatever goes by a `sid`. */
    async deny(id: string): Promise<void> {
      await db.query(
        `insert into token_denylist (id, expires_at) values ($1, now() + make_interval(secs => $2))
         on conflict (id) do update set
           expires_at = excluded.expires_at, epoch = null, xid = excluded.xid,
           created_at = excluded.created_at`,
        [id, denyFor],
      )
      onDenied([{ id, expires_at: soon(denyFor) }])
    },

    /** Makes every access token of these users stale: the table `users` itself writes that down. */
    async raiseEpochs(ids: string[]): Promise<void> {
      const { rows } = await db.query<{ id: string; epoch: number }>(
        'update users set epoch = epoch + 1 where id = any ($1) returning id, epoch',
        [ids],
      )
      onDenied(rows.map((row) => ({ ...row, expires_at: soon(day) })))
    },

    /** What became of these clients' epochs, which the table `client_roles` raises when they lose a role. */
    async followClients(ids: string[]): Promise<void> {
      const { rows } = await db.query<{ id: string; epoch: number }>(
        'select id, epoch from clients where id = any ($1)',
        [ids],
      )
      onDenied(rows.map((row) => ({ ...row, expires_at: soon(day) })))
    },

    /** Raises the epochs of users and clients above these, where they are not; their access tokens are stale. */
    async raiseEpochsAbove(epochs: { id: string; epoch: number }[]): Promise<void> {
      const raise = (table: string) =>
        `update ${table} account set epoch = lost.epoch + 1 from lost
         where account.id = lost.id and account.epoch <= lost.epoch
         returning account.id, account.epoch`
      const { rows } = await db.query<{ id: string; epoch: number }>(
        `with lost as (select * from unnest($1::uuid[], $2::integer[]) as lost (id, epoch)),
           of_users as (${raise('users')}), of_clients as (${raise('clients')})
         select * from of_users union all select * from of_clients`,
        [epochs.map(({ id }) => id), epochs.map(({ epoch }) => epoch)],
      )
      onDenied(rows.map((row) => ({ ...row, expires_at: soon(day) })))
    },

    /** Tells the instances that listen that there is something to read. */
    async notify(): Promise<void> {
      await db.query(`select pg_notify('${channel}', '')`)
    },

    /** Names the history of the database where that has not been done. */
    async beginHistory(): Promise<void> {
      await db.query(replicaSql.begin)
    },

    /** Of these ids those that users or clients have. */
    async findAccounts(ids: string[]): Promise<string[]> {
      const { rows } = await db.query<{ id: string }>(
        `select id from users where id = any ($1)
         union all select id from clients where id = any ($1)`,
        [ids],
      )
      return rows.map(({ id }) => id)
    },

    /**
     * At most so many of what was written by transactions that a snapshot does not show; without
     * one nothing but how the database stands.
     */
    async listSince(snapshot: string | null, most: number): Promise<Listing> {
      return only(await db.query<Listing>(listingSince, [snapshot, most]))
    },

    /** The next so many, in the order of their ids. */
    async listAfter(id: string, snapshot: string, most: number): Promise<Listing> {
      return only(await db.query<Listing>(listingPage, [snapshot, most, id]))
    },

    /** What is known of these ids. @throws AppError `unavailable` where a standby answers, which may lag */
    async find(ids: string[]): Promise<Found[]> {
      const { rows } = await db.query<Found | { id: null }>(
        `select (select database_history()) as history, id, epoch from (select) as one
         left join token_denylist on id = any ($1)`,
        [ids],
      )
      return rows.flatMap((row) => (row.id === null ? [] : row))
    },
  }
}

export type DenylistRepository = ReturnType<typeof createDenylistRepository>

const only = ({ rows }: { rows: Listing[] }) => rows[0] as Listing
