import pg from 'pg'
import { AppError } from '../errors.js'
import { toConnectionString } from './connection-string.js'
import { addressOf } from './faults.js'
import { createOutage, isLinkFault, type Outage } from './outage.js'
import { createPreparer, isForgotten, isStale } from './prepared.js'

export type QueryOptions = {
  /** Plans the statement for these values each time, because the best plan depends on them. */
  plansEachTime?: boolean
}

/** The interface that repositories use. A pool and a transaction both implement it. */
export type Db = {
  /** @throws pg.DatabaseError if the statement or its values are wrong, else AppError `unavailable` */
  query<Row>(
    text: string,
    values?: unknown[],
    options?: QueryOptions,
  ): Promise<{ rows: Row[]; rowCount: number }>
}

export type Pool = Db & {
  /** Runs one statement. If every connection of the pool is busy, it opens another and closes it afterwards. */
  queryWithoutWaiting<Row>(text: string): Promise<{ rows: Row[]; rowCount: number }>
  /** Runs `work` in one transaction. If `work` throws, rolls back and rethrows the error. */
  transaction<Result>(work: (tx: Db) => Promise<Result>): Promise<Result>
  /** `total` and `idle` connections, and queries `waiting` for a connection. */
  status(): { total: number; idle: number; waiting: number }
  /** Host and port, for messages. */
  address: string
  /** Knows whether the database can be reached. */
  outage: Outage
  close(): Promise<void>
}

type PoolOptions = { url: string; size: number; outage?: Outage }

// Timestamps are read as ISO 8601 text in UTC, the form in which replies send them.
const types: pg.CustomTypesConfig = {
  getTypeParser: (oid, format) =>
    oid === pg.types.builtins.TIMESTAMPTZ
      ? (text: string) => new Date(text).toISOString()
      : (pg.types.getTypeParser(oid, format) as (text: string) => unknown),
}

/**
 * Every wait has a timeout: for a connection, for a result and for a lock. `query_timeout` runs in
 * this process, so it also ends the wait on a dead network link.
 */
export function createPool({ url, size, outage = createOutage() }: PoolOptions): Pool {
  const settings: pg.ClientConfig = {
    connectionString: toConnectionString(url),
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
  const address = addressOf(url)
  const link = outage.watch(address)
  const preparer = createPreparer()
  let lastFault: unknown
  // Without both handlers, an error of a connection would end the process. The pool emits the error of an
  // idle client a second time, so only the client's handler reports it.
  pool.on('error', () => undefined)
  pool.on('connect', (client) => client.on('error', onLost))

  function onLost(error: unknown): void {
    lastFault = error
    link.lost(error)
  }

  /** While the database is lost, a wait for a busy pool has the same cause. */
  function fail(error: unknown): never {
    if (isLinkFault(error)) onLost(error)
    rethrow(outage.isLost() && !(error instanceof pg.DatabaseError) ? (lastFault ?? error) : error)
  }

  async function connect(): Promise<pg.PoolClient> {
    const client = await pool.connect().catch(fail)
    await preparer.meet(client)
    return client
  }

  async function run<Row>(
    on: pg.ClientBase,
    text: string,
    values?: unknown[],
    { plansEachTime = false }: QueryOptions = {},
  ) {
    const name = values && !plansEachTime ? preparer.nameOf(text) : undefined
    const answer = on.query({ text, ...(name && { name }), ...(values && { values }) })
    const { rows, rowCount } = await answer.catch((error: unknown) => {
      if (isForgotten(error)) preparer.stop()
      else if (isStale(error)) preparer.renew()
      if (isStale(error)) throw new AppError('unavailable', { cause: error })
      return fail(error)
    })
    lastFault = undefined
    link.answered()
    return { rows: rows as Row[], rowCount: rowCount ?? 0 }
  }

  /** PostgreSQL refuses a stale statement before it runs, so it may run again on another connection. */
  function query<Row>(text: string, values?: unknown[], options?: QueryOptions) {
    return queryOnce<Row>(text, values, options).catch((error: unknown) => {
      if (isStale(causeOf(error))) return queryOnce<Row>(text, values, options)
      throw error
    })
  }

  // pool.query() would close the connection whenever a statement fails.
  async function queryOnce<Row>(text: string, values?: unknown[], options?: QueryOptions) {
    const client = await connect()
    let broken = true
    try {
      const result = await run<Row>(client, text, values, options)
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
    address,
    outage,
    async queryWithoutWaiting<Row>(text: string) {
      if (pool.idleCount > 0 || pool.totalCount < size) return query<Row>(text)
      const client = new pg.Client(settings)
      client.on('error', onLost)
      try {
        await client.connect().catch(fail)
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
      const client = await connect()
      const connection = { isBroken: false }
      const tx: Db = {
        query: (text, values, options) =>
          run<never>(client, text, values, options).catch((error: unknown) => {
            connection.isBroken ||= isConnectionFault(error)
            throw error
          }),
      }
      try {
        await tx.query('begin')
        const result = await work(tx)
        await tx.query('commit')
        return result
      } catch (error) {
        // A broken connection does not answer. Closing it makes PostgreSQL roll back.
        if (!connection.isBroken)
          await client.query('rollback').catch(() => (connection.isBroken = true))
        throw error
      } finally {
        client.release(connection.isBroken)
      }
    },
  }
}

// SQLSTATE classes of faults in the statement or its data. All others are states of the server: 08
// connection, 25006 read-only, 40 rollback, 53 resources, 55 locks, 57 operator.
const statementFault = /^(0A|2[1-4]|2[6-8]|42|44|P0)/

function rethrow(cause: unknown): never {
  if (cause instanceof pg.DatabaseError && statementFault.test(cause.code ?? '')) throw cause
  throw new AppError('unavailable', { cause })
}

const causeOf = (error: unknown) => (error instanceof AppError ? error.cause : error)

/**
 * Whether the connection is unusable: PostgreSQL did not answer, its error was FATAL, or a statement that it
 * prepared is stale.
 */
function isConnectionFault(error: unknown): boolean {
  const cause = causeOf(error)
  return !(cause instanceof pg.DatabaseError) || cause.severity === 'FATAL' || isStale(cause)
}

/** The name of the violated constraint (SQLSTATE class 23); undefined for any other error. */
export function violatedConstraint(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError && error.code?.startsWith('23')
    ? error.constraint
    : undefined
}
