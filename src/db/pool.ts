import pg from 'pg'
import { AppError } from '../errors.js'

/** What repositories ask of the database: a pool and a transaction both satisfy it. */
export type Db = {
  /** @throws pg.DatabaseError for what the statement itself did wrong, else AppError `unavailable` */
  query<Row>(text: string, values?: unknown[]): Promise<{ rows: Row[]; rowCount: number }>
}

export type Pool = Db & {
  /** One statement that waits for no connection of the pool: where all are busy it opens its own. */
  queryAside<Row>(text: string): Promise<{ rows: Row[]; rowCount: number }>
  /** Runs `work` in one transaction; rolls back and rethrows what it throws. */
  transaction<Result>(work: (tx: Db) => Promise<Result>): Promise<Result>
  /** Connections, those of them that nobody uses, and who waits for one. */
  status(): { total: number; idle: number; waiting: number }
  close(): Promise<void>
}

type PoolOptions = { url: string; size: number; onError: (error: Error) => void }

// A column arrives in the spelling of the wire: timestamps as ISO 8601 text in UTC.
const types: pg.CustomTypesConfig = {
  getTypeParser: (oid, format) =>
    oid === pg.types.builtins.TIMESTAMPTZ
      ? (text: string) => new Date(text).toISOString()
      : (pg.types.getTypeParser(oid, format) as (text: string) => unknown),
}

/**
 * Every wait has an end: for a connection, for an answer (`query_timeout` also ends
 * the wait on a link that went silent), for a lock.
 */
export function createPool({ url, size, onError }: PoolOptions): Pool {
  const settings: pg.ClientConfig = {
    connectionString: url,
    application_name: 'gatehouse',
    types,
    connectionTimeoutMillis: 1_000,
    query_timeout: 2_500,
    statement_timeout: 2_000,
    lock_timeout: 1_000,
    idle_in_transaction_session_timeout: 5_000,
    keepAlive: true,
  }
  const pool = new pg.Pool({ ...settings, max: size })
  // Without both of these a dying connection ends the process. The pool repeats what a client says.
  pool.on('error', () => undefined)
  pool.on('connect', (client) => client.on('error', onError))

  // Not pool.query(), which closes the connection when a statement fails.
  async function query<Row>(text: string, values?: unknown[]) {
    const client = await pool.connect().catch(rethrow)
    let broken = true
    try {
      const result = await run<Row>(client, text, values)
      broken = false
      return result
    } catch (error) {
      broken = !(error instanceof pg.DatabaseError)
      throw error
    } finally {
      client.release(broken)
    }
  }

  return {
    query,
    async queryAside<Row>(text: string) {
      if (pool.idleCount > 0 || pool.totalCount < size) return query<Row>(text)
      const client = new pg.Client(settings)
      client.on('error', onError)
      try {
        await client.connect().catch(rethrow)
        return await run<Row>(client, text)
      } finally {
        client.end().catch(() => undefined)
      }
    },
    status: () => ({
      total: pool.totalCount,
      idle: pool.idleCount,
      waiting: pool.waitingCount,
    }),
    close: () => pool.end(),
    async transaction(work) {
      const client = await pool.connect().catch(rethrow)
      const link = { isBroken: false }
      const tx: Db = {
        query: (text, values) =>
          run<never>(client, text, values).catch((error: unknown) => {
            link.isBroken ||= isLinkFault(error)
            throw error
          }),
      }
      try {
        await tx.query('begin')
        const result = await work(tx)
        await tx.query('commit')
        return result
      } catch (error) {
        // A broken link would not answer. Closing it makes PostgreSQL roll back.
        if (!link.isBroken) await client.query('rollback').catch(() => (link.isBroken = true))
        throw error
      } finally {
        client.release(link.isBroken)
      }
    },
  }
}

async function run<Row>(on: pg.ClientBase, text: string, values?: unknown[]) {
  const { rows, rowCount } = await on.query(text, values).catch(rethrow)
  return { rows: rows as Row[], rowCount: rowCount ?? 0 }
}

// SQLSTATE classes that tell about the statement or its data: 0A, 21-28, 42, 44. All others tell
// about the server (08 connection, 25006 read-only, 40 rollback, 53 resources, 55 locks, 57 operator).
const statementFault = /^(0A|2[1-4]|2[6-8]|42|44|P0)/

function rethrow(cause: unknown): never {
  if (cause instanceof pg.DatabaseError && statementFault.test(cause.code ?? '')) throw cause
  throw new AppError('unavailable', { cause })
}

/** Whether a statement failed without an answer from PostgreSQL, or with its last one. */
function isLinkFault(error: unknown): boolean {
  const cause = error instanceof AppError ? error.cause : error
  return !(cause instanceof pg.DatabaseError) || cause.severity === 'FATAL'
}

/** The name of the constraint (class 23) that a statement ran into, if that is what went wrong. */
export function violatedConstraint(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError && error.code?.startsWith('23')
    ? error.constraint
    : undefined
}
