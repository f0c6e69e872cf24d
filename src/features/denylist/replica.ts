import { createEntries, type Denial } from '@gatehouse/verify/protocol'
import type { FastifyBaseLogger } from 'fastify'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from '../../db/pool.js'
import { createFeed } from './feed.js'
import { createLookup } from './lookup.js'
import { replicaSql, type Delta, type DenylistRepository, type Position } from './repository.js'
import { createDenylist } from './service.js'
import { listeningSource, pollingSource } from './sources.js'
import { createWaker } from './waker.js'

type Options = {
  db: Pool
  repository: DenylistRepository
  /** PostgreSQL itself; undefined where it is to be polled. */
  listenUrl: string | undefined
  /** How long a denial holds, in seconds. */
  denyFor: number
  log: FastifyBaseLogger
  /** Called at each answer of the database, before it counts. */
  onHeard: (delta: Delta) => Promise<void>
  /** Called with what was denied before the history of the database changed, and is not in the new one. */
  onLost: (denials: Denial[]) => void
}

/** The denylist of this instance, and the feed that keeps it: it answers once the feed has started. */
export function createReplica(options: Options) {
  const { db, repository, listenUrl, denyFor, log, onHeard, onLost } = options
  const clock = () => performance.now()
  const entries = createEntries()
  const feed = createFeed({
    entries,
    connect: async () => (listenUrl ? listeningSource(listenUrl) : pollingSource(db)),
    poolHistory: listenUrl === undefined ? undefined : historyOfPool,
    interval: listenUrl ? 500 : 250,
    log,
    clock,
    sleep: (ms) => sleep(ms, undefined, { ref: false }),
    random: Math.random,
    onHeard,
    onLost,
  })
  const lookup = createLookup({ denylist: repository, clock })
  const wakeOthers = createWaker(repository)
  const { isFresh } = feed
  const denylist = createDenylist({ entries, isFresh, lookup, wakeOthers, clock, denyFor })

  async function historyOfPool(): Promise<string | null> {
    const { rows } = await db.queryAside<Pick<Position, 'history'>>(replicaSql.history)
    const history = rows[0]?.history ?? null
    if (history === null) await repository.beginHistory() // the next look finds the name
    return history
  }

  return {
    denylist,
    feed,
    /** As that of the feed, and how many queries took the place of the entries. */
    status: () => ({
      ...feed.status(),
      isFresh: isFresh(),
      entries: entries.size,
      bytes: entries.bytes,
      queries: lookup.count,
    }),
  }
}

export type Replica = ReturnType<typeof createReplica>
