import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { closeAtOnce as close } from '../../db/close-at-once.js'
import type { Db } from '../../db/pool.js'
import { channel, replicaSql, type Delta, type Position } from './repository.js'

export type Page = Pick<Position, 'history'> & {
  packed: Buffer
  last: string | null
  count: number
}

/** Where a feed reads, and how it is told to. */
export type Source = {
  /** Names the history first, where that has not been done. */
  position(): Promise<Position>
  delta(since: string): Promise<Delta>
  page(after: string, most: number): Promise<Page>
  /** Resolves when there is something to read, or after so many milliseconds. */
  news(ms: number): Promise<void>
  close(): void
}

/** LISTEN does not work over this connection, and never will. */
export class ListenError extends Error {}

type Row = Record<string, unknown>
type Query = (text: string, values?: unknown[]) => Promise<Row | undefined>

const reading = (query: Query) => ({
  position: async () => {
    const position = (await query(replicaSql.position)) as Position
    if (position.history !== null) return position
    await query(replicaSql.begin)
    return (await query(replicaSql.position)) as Position
  },
  delta: async (since: string) => (await query(replicaSql.delta, [since])) as Delta,
  page: async (after: string, most: number) =>
    (await query(replicaSql.page, [after, most])) as Page,
})

/** Reads on the pool, whenever it is time to. */
export function pollingSource(db: Db): Source {
  const query: Query = async (text, values) => (await db.query<Row>(text, values)).rows[0]
  return {
    ...reading(query),
    news: (ms) => sleep(ms, undefined, { ref: false }),
    close: () => undefined,
  }
}

/**
 * Reads on a connection of its own, which is told of news.
 * @throws ListenError where the connection is a pooler's that hands it to others between statements
 */
export async function listeningSource(url: string): Promise<Source> {
  const client = await connect(url)
  let isLost = false
  let hasNews = false
  let wake: () => void = () => undefined
  const onNews = () => {
    hasNews = true
    wake()
  }
  const onLost = () => {
    isLost = true
    wake()
  }
  client.on('notification', onNews)
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
    ...reading(query),
    async delta(since) {
      hasNews = false
      const row = (await query(replicaSql.deltaAndChannels, [since])) as Delta & {
        channels: string[]
      }
      if (!row.channels.includes(channel)) throw new Error('the connection no longer listens')
      return row
    },
    async news(ms) {
      if (hasNews || isLost) return
      const timer = new AbortController()
      await Promise.race([
        new Promise<void>((resolve) => (wake = resolve)),
        sleep(ms, undefined, { ref: false, signal: timer.signal }).catch(() => undefined),
      ])
      timer.abort()
    },
    close: () => close(client),
  }
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'gatehouse denylist',
    connectionTimeoutMillis: 2_000,
    query_timeout: 5_000, // on a link that went silent nothing else ends the wait
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
 * A pooler in transaction mode gives the server's connection to the next client as soon as a statement
 * is done: then that client has the one that listens, and this one gets another.
 */
async function requireOwnConnection(client: pg.Client, url: string): Promise<void> {
  const mine = await pidOf(client)
  const other = await connect(url)
  try {
    await other.query('begin')
    const theirs = await pidOf(other)
    if (theirs === mine || (await pidOf(client)) !== mine) {
      throw new ListenError(
        'LISTEN does not work over this connection, which a pooler shares with others between ' +
          'statements: set DATABASE_LISTEN_URL to PostgreSQL itself, or DENYLIST_SYNC=poll',
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
