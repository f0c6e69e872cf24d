import { createEntries, type Denial } from '@gatehouse/verify/protocol'
import type { FastifyBaseLogger } from 'fastify'
import type { Clock } from '../../concurrency/clock.js'
import { addressOf } from '../../db/faults.js'
import type { Pool } from '../../db/pool.js'
import { createFeed } from './feed.js'
import { createLookup } from './lookup.js'
import { createNotifier } from './notifier.js'
import type { Delta, DenylistRepository, Position } from './repository.js'
import { createDenylist } from './service.js'
import { listeningSource, pollingSource } from './sources.js'
import { replicaSql } from './statements.js'

type Options = {
  db: Pool
  repository: DenylistRepository
  /** PostgreSQL itself, for LISTEN. If undefined, the feed polls on the pool. */
  listenUrl: string | undefined
  /** How long a denial lasts, in seconds. */
  denyFor: number
  log: FastifyBaseLogger
  clock: Clock
  /** Runs on each delta before the lease is renewed. If it rejects, the lease is not renewed. */
  onDelta: (delta: Delta) => Promise<void>
  /** Receives denials that are in memory but not in the new history of the database. */
  onLost: (denials: Denial[]) => void
}

/** Creates this instance's copy of the denylist, the feed that updates it, and the service that reads it. */
export function createReplica(options: Options) {
  const { db, repository, listenUrl, denyFor, log, clock, onDelta, onLost } = options
  const entries = createEntries()
  const feed = createFeed({
    entries,
    connect: async () => (listenUrl ? listeningSource(listenUrl, clock) : pollingSource(db, clock)),
    poolHistory: listenUrl === undefined ? undefined : historyOfPool,
    interval: listenUrl ? 500 : 250,
    link: db.outage.watch(listenUrl ? addressOf(listenUrl) : db.address),
    log,
    clock,
    random: Math.random,
    onDelta,
    onLost,
  })
  const lookup = createLookup({ denylist: repository, clock })
  const notifyOthers = createNotifier(repository)
  const { isWithinLease } = feed
  const denylist = createDenylist({ entries, isWithinLease, lookup, notifyOthers, clock, denyFor })

  async function historyOfPool(): Promise<string | null> {
    const { rows } = await db.queryWithoutWaiting<Pick<Position, 'history'>>(replicaSql.history)
    const history = rows[0]?.history ?? null
    if (history === null) await repository.beginHistory() // the next read finds the name
    return history
  }

  return {
    denylist,
    isDenied: entries.isDenied,
    feed,
    /** The feed's status, with the size of the copy and the number of fallback queries. */
    status: () => ({
      ...feed.status(),
      isWithinLease: isWithinLease(),
      entries: entries.size,
      bytes: entries.bytes,
      queries: lookup.count,
    }),
  }
}

export type Replica = ReturnType<typeof createReplica>
