import pg from 'pg'
import type { Clock } from '../../concurrency/clock.js'
import { closeAtOnce as close } from '../../db/close-at-once.js'
import { toConnectionString } from '../../db/connection-string.js'
import type { Db } from '../../db/pool.js'
import { HistoryError } from './history.js'
import type { Delta, Position } from './repository.js'
import { channel, replicaSql } from './statements.js'

export type DenialPage = Pick<Position, 'history'> & {
  packed: Buffer
  /** The number of blocks of the table. */
  blocks: number
  /** The file that has the table. */
  file: string
}

/** A connection to the database, as the feed uses it. */
export type Source = {
  /** Names the history first if it has no name. */
  position(): Promise<Position>
  delta(since: string): Promise<Delta>
  /** Reads the denials in the blocks of the table from `from` on, before `to`. */
  page(from: number, to: number): Promise<DenialPage>
  /** Resolves when the database notifies of a change, or after `ms` milliseconds. */
  waitForChange(ms: number): Promise<void>
  close(): void
}

/** LISTEN cannot work over this connection, so the feed does not retry. */
export class ListenError extends Error {}

type Row = Record<string, unknown>
type Query = (text: string, values?: unknown[]) => Promise<Row | undefined>

const queriesOn = (query: Query) => ({
  position: async () => {
    const position = (await query(replicaSql.position)) as Position
    if (position.history !== null) return position
    await query(replicaSql.begin)
    return (await query(replicaSql.position)) as Position
  },
  delta: async (since: string) => (await query(replicaSql.delta, [since])) as Delta,
  page: async (from: number, to: number) =>
    (await query(replicaSql.page, [from, to])) as DenialPage,
})

/** Of 8 KB each, with about 10,000 denials. With larger pages the event loop stops for longer while one is stored. */
const blocksOfPage = 80

/**
 * Reads every denial, in pages. `wait` puts a deadline on each page. The database reads the next page while the
 * caller stores one.
 * @throws HistoryError if the table was rewritten meanwhile, because its rows have other places then
 */
export async function* readPages(
  source: Source,
  wait: <Result>(answer: Promise<Result>) => Promise<Result>,
): AsyncGenerator<DenialPage> {
  const read = (from: number) => {
    const reading = wait(source.page(from, from + blocksOfPage))
    reading.catch(() => undefined) // the caller may have stopped before it
    return reading
  }
  let file: string | undefined
  let next = blocksOfPage
  for (let reading: Promise<DenialPage> | undefined = read(0); reading; next += blocksOfPage) {
    const page: DenialPage = await reading
    file ??= page.file
    if (page.file !== file) throw new HistoryError('the table of denials was rewritten')
    reading = next < page.blocks ? read(next) : undefined
    yield page
  }
}

/** Reads on the pool at every interval. */
export function pollingSource(db: Db, clock: Clock): Source {
  const query: Query = async (text, values) => (await db.query<Row>(text, values)).rows[0]
  return {
    ...queriesOn(query),
    waitForChange: (ms) => clock.sleep(ms),
    close: () => undefined,
  }
}

/**
 * Reads on a connection of its own, which listens for notifications.
 * @throws ListenError if a pooler shares the connection with other clients between statements
 */
export async function listeningSource(url: string, clock: Clock): Promise<Source> {
  const client = await connect(url)
  let isLost = false
  let hasChanged = false
  let wake: () => void = () => undefined
  const onNotification = () => {
    hasChanged = true
    wake()
  }
  const onLost = () => {
    isLost = true
    wake()
  }
  client.on('notification', onNotification)
  client.on('error', onLost)
  client.on('end', onLost)
  try {
    await client.query(replicaSql.listen)
    await requireOwnConnection(client, url)
  } catch (error) {
    close(client)
    throw error
  }
  const query: Query = async (text, values) => {
    if (isLost) throw new Error('the connection was lost')
    return ((await client.query(text, values)) as { rows: Row[] }).rows[0]
  }
  return {
    ...queriesOn(query),
    async delta(since) {
      hasChanged = false
      const row = (await query(replicaSql.deltaAndChannels, [since])) as Delta & {
        channels: string[]
      }
      if (!row.channels.includes(channel)) throw new Error('the connection no longer listens')
      return row
    },
    async waitForChange(ms) {
      if (hasChanged || isLost) return
      const timer = new AbortController()
      await Promise.race([
        new Promise<void>((resolve) => (wake = resolve)),
        clock.sleep(ms, timer.signal),
      ])
      timer.abort()
    },
    close: () => close(client),
  }
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: toConnectionString(url),
    application_name: 'gatehouse denylist',
    connectionTimeoutMillis: 2_000,
    query_timeout: 5_000, // on a dead link nothing else ends the wait
    keepAlive: true,
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return client
  } catch (error) {
    close(client)
    throw error
  }
}

/**
 * Detects a pooler in transaction mode. It gives a server connection to the next client after each
 * statement, so the notifications would reach another client.
 */
async function requireOwnConnection(client: pg.Client, url: string): Promise<void> {
  const mine = await pidOf(client)
  const other = await connect(url)
  try {
    await other.query('begin')
    const theirs = await pidOf(other)
    if (theirs === mine || (await pidOf(client)) !== mine) {
      throw new ListenError(
        'LISTEN does not work over this connection, because a pooler shares it between clients: ' +
          'set DATABASE_LISTEN_URL to PostgreSQL itself, or set DENYLIST_SYNC=poll',
      )
    }
  } finally {
    close(other)
  }
}

async function pidOf(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ pid: number }>(replicaSql.pid)
  return rows[0]?.pid ?? 0
}
