import { expiresIn, type Denial } from '@gatehouse/verify/protocol'
import type { Db } from '../../db/pool.js'
import { channel, listAfterSql, listSinceSql, replicaSql } from './statements.js'

/** A point in the history of the database. A snapshot is comparable within its own history only. */
export type Position = {
  /** The name of the history; null until an instance has named it. */
  history: string | null
  /** The text form of a `pg_snapshot`. */
  snapshot: string
}

/** The denials written since a snapshot, and the position from which to read the next delta. */
export type Delta = Position & {
  /** False if the snapshot asked about is ahead of the server, so it is of another history. */
  known: boolean
  /** The denials, 28 bytes each: id (16), expiry (8), epoch (4), big-endian. */
  packed: Buffer
  /** The clock of the database, in milliseconds since 1970. */
  at: number
  /** How often the signing keys have changed. */
  keys: number
  /** The age of the oldest denial, in seconds by the database's clock; null without denials. */
  lag: number | null
}

/** An epoch of null denies the id itself. */
export type DenylistRow = { id: string; epoch: number | null }

/** A denial for other services; the expiry is in seconds since 1970. An epoch of null denies the id itself. */
export type DenialTuple = [id: string, expires_at: number, epoch: number | null]

/** Denials for other services, with the position of the database before they were read. */
export type DenialList = Omit<Delta, 'packed' | 'lag'> & { denials: DenialTuple[] }

// In seconds. No access token lives longer, so a denial by epoch need not last longer.
const day = 86_400

/** All SQL about denials, except the denials of ended sessions (sessions/endings.ts). */
export function createDenylistRepository(
  db: Db,
  denyFor: number,
  onDenied: (denials: Denial[]) => void,
) {
  return {
    /** Denies an access token by its `jti`, or all access tokens of a session or a client by its id. */
    async deny(id: string): Promise<void> {
      await db.query(
        `insert into token_denylist (id, expires_at) values ($1, now() + make_interval(secs => $2))
         on conflict (id) do update set
           expires_at = excluded.expires_at, epoch = null, xid = excluded.xid,
           created_at = excluded.created_at`,
        [id, denyFor],
      )
      onDenied([{ id, expires_at: expiresIn(denyFor) }])
    },

    /** Makes all access tokens of these users stale. A trigger on `users` writes the denials. */
    async raiseEpochs(ids: string[]): Promise<void> {
      const { rows } = await db.query<{ id: string; epoch: number }>(
        'update users set epoch = epoch + 1 where id = any ($1) returning id, epoch',
        [ids],
      )
      onDenied(rows.map((row) => ({ ...row, expires_at: expiresIn(day) })))
    },

    /** Reports the epochs of clients that lost a role. A trigger on `client_roles` has raised them. */
    async reportClientEpochs(ids: string[]): Promise<void> {
      const { rows } = await db.query<{ id: string; epoch: number }>(
        'select id, epoch from clients where id = any ($1)',
        [ids],
      )
      onDenied(rows.map((row) => ({ ...row, expires_at: expiresIn(day) })))
    },

    /** Raises the epochs of users and clients that are not above the given ones, so older tokens are stale. */
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
      onDenied(rows.map((row) => ({ ...row, expires_at: expiresIn(day) })))
    },

    /** Notifies the listening instances of new denials. */
    async notify(): Promise<void> {
      await db.query(`select pg_notify('${channel}', '')`)
    },

    /** Gives the history of the database a name if it has none. */
    async beginHistory(): Promise<void> {
      await db.query(replicaSql.begin)
    },

    /** Returns the given ids that belong to a user or a client. */
    async findAccounts(ids: string[]): Promise<string[]> {
      const { rows } = await db.query<{ id: string }>(
        `select id from users where id = any ($1)
         union all select id from clients where id = any ($1)`,
        [ids],
      )
      return rows.map(({ id }) => id)
    },

    /**
     * Lists at most `limit` denials of transactions that the snapshot does not show. Without a
     * snapshot it lists no denials and returns only the position.
     */
    async listSince(snapshot: string | null, limit: number): Promise<DenialList> {
      return only(await db.query<DenialList>(listSinceSql, [snapshot, limit]))
    },

    /** Lists the next `limit` denials after an id, in the order of ids. */
    async listAfter(id: string, snapshot: string, limit: number): Promise<DenialList> {
      return only(await db.query<DenialList>(listAfterSql, [snapshot, limit, id]))
    },

    /** @throws AppError `unavailable` if a standby answers, because it may lag behind the primary */
    async find(ids: string[]): Promise<DenylistRow[]> {
      const { rows } = await db.query<DenylistRow | { id: null }>(
        `select (select database_history()) as history, id, epoch from (select) as one
         left join token_denylist on id = any ($1)`,
        [ids],
      )
      return rows.flatMap((row) => (row.id === null ? [] : row))
    },
  }
}

export type DenylistRepository = ReturnType<typeof createDenylistRepository>

const only = ({ rows }: { rows: DenialList[] }) => rows[0] as DenialList
