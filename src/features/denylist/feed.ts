import { createEntries, type Denial, type Entries } from '@gatehouse/verify/protocol'
import type { FastifyBaseLogger } from 'fastify'
import type { Clock } from '../../concurrency/clock.js'
import { isLinkFault, logFailure, type Link } from '../../db/outage.js'
import { createClockSkew } from './clock-skew.js'
import {
  HistoryError,
  requireName,
  requireSameHistory,
  requireSamePool,
  type NamedPosition,
} from './history.js'
import type { Delta } from './repository.js'
import { ListenError, readPages, type Source } from './sources.js'

type Options = {
  entries: Entries
  connect: () => Promise<Source>
  /** Reads the history of the pool's server. Needed if the source has a connection of its own. */
  poolHistory?: (() => Promise<string | null>) | undefined
  /** The database is read at least this often, in milliseconds. */
  interval: number
  /** Hears whether the source can be reached. */
  link: Link
  log: FastifyBaseLogger
  clock: Clock
  /** Returns a number from 0 to 1. It spreads the reconnects of many instances over time. */
  random: () => number
  /** Runs on each delta before the lease is renewed. If it rejects, the lease is not renewed. */
  onDelta: (delta: Delta) => Promise<void>
  /** Receives denials that are in memory but not in the new history of the database. */
  onLost: (denials: Denial[]) => void
}

/** How long the replica may answer from memory after a refresh, in milliseconds. */
const lease = 2_000
const deadline = 1_000
const longDeadline = 5_000 // to connect, and to load

/** The pause before a reconnect in milliseconds. It doubles, up to two seconds. */
const backoff = (failures: number, random: number) =>
  Math.min(2_000, 50 * 2 ** failures) * (0.5 + random / 2)

/**
 * Copies the denials of the database into memory. It reads after each notification, and at least at
 * every `interval`. A read asks for the transactions that the last snapshot did not show, so the order
 * of commits does not matter. Each answer renews the lease, counted from when the query was sent.
 *
 * Transaction ids are comparable within one history of the database only. When the history changes,
 * for example by a failover, the feed loads all denials again. Entries stay in memory until they
 * expire, because the new history may lack denials that the old one acknowledged.
 */
export function createFeed(options: Options) {
  const { entries, connect, interval, log, clock, random, onDelta } = options
  const { poolHistory, link, onLost } = options
  let refreshedAt = -Infinity
  /** When the pool was last seen on the feed's history. */
  let poolCheckedAt = -Infinity
  let history: string | undefined
  let historyChanged = false
  const stopping = new AbortController()
  const isStopped = () => stopping.signal.aborted
  let source: Source | undefined
  let running: Promise<void> = Promise.resolve()
  const stopped = new Promise((resolve) => stopping.signal.addEventListener('abort', resolve))
  const skew = createClockSkew(log, clock)
  const status = { reconnects: 0, historyChanges: 0 }
  let reportLag: (lag: number) => void = () => undefined
  const isWithinLease = () => clock.monotonic() - refreshedAt < lease

  return {
    isWithinLease,

    /** Why this instance may get no requests; undefined within the lease if the clocks agree within 2 s. */
    fault: (): 'denylist_stale' | 'clock_skew' | undefined => {
      if (!isWithinLease()) return 'denylist_stale'
      return Math.abs(skew.ms) < 2_000 ? undefined : 'clock_skew'
    },

    /** `age`, the time since the last refresh, and `skew` are in milliseconds. */
    status: () => ({ ...status, skew: skew.ms, age: clock.monotonic() - refreshedAt }),

    /** Calls `listener` after each read of new denials, with the age of the oldest in seconds. */
    onLag: (listener: (lag: number) => void): void => void (reportLag = listener),

    /** Resolves when all denials are loaded. @throws ListenError if the connection cannot LISTEN */
    start(): Promise<void> {
      return new Promise((resolve, reject) => {
        running = run(resolve, reject)
      })
    },

    async stop(): Promise<void> {
      stopping.abort()
      source?.close()
      await running
    },
  }

  async function run(onLoaded: () => void, onFatal: (error: Error) => void): Promise<void> {
    for (let failures = 0; !isStopped(); failures += 1) {
      try {
        source = await open()
        const position = await load(source)
        onLoaded()
        failures = 0
        await follow(source, position)
      } catch (error) {
        if (error instanceof ListenError && refreshedAt === -Infinity) {
          onFatal(error)
          return
        }
        if (error instanceof HistoryError) historyChanged = true
        else if (!isStopped()) {
          if (isLinkFault(error)) link.lost(error)
          logFailure(log, error, 'denylist feed disconnected, reconnecting')
        }
      } finally {
        source?.close()
      }
      status.reconnects += 1
      if (!isStopped()) await Promise.race([clock.sleep(backoff(failures, random())), stopped])
    }
  }

  /** A connection that opens after the deadline is closed. */
  async function open(): Promise<Source> {
    const opening = connect()
    try {
      return await within(longDeadline, opening)
    } catch (error) {
      opening.then(
        (late) => late.close(),
        () => undefined,
      )
      throw error
    }
  }

  async function follow(from: Source, loaded: NamedPosition): Promise<void> {
    for (let position = loaded; !isStopped();) {
      await from.waitForChange(interval)
      position = await refresh(from, position)
    }
  }

  /** Loads all denials, then those that were committed during the load. */
  async function load(from: Source): Promise<NamedPosition> {
    const begin = requireName(await within(deadline, from.position()))
    poolCheckedAt = -Infinity
    const isOtherHistory = history !== undefined && (historyChanged || history !== begin.history)
    if (isOtherHistory) log.info('database history changed, reloading the denylist')
    const loaded = isOtherHistory ? createEntries() : undefined
    const take = (packed: Buffer) => {
      entries.addPacked(packed)
      loaded?.addPacked(packed)
    }
    for await (const page of readPages(from, (answer) => within(longDeadline, answer))) {
      requireSameHistory(begin, page)
      take(page.packed)
    }
    const position = await refresh(from, begin, longDeadline, take)
    if (loaded) {
      status.historyChanges += 1
      onLost(entries.missingFrom(loaded, clock.now() / 1_000))
    }
    history = position.history
    historyChanged = false
    return position
  }

  /** Reads new denials and renews the lease. @throws HistoryError if the history of `since` ended */
  async function refresh(
    from: Source,
    since: NamedPosition,
    ms = deadline,
    take = (packed: Buffer) => entries.addPacked(packed),
  ): Promise<NamedPosition> {
    const sentAt = clock.monotonic()
    const poolCheck = checkPool(since, sentAt, ms)
    poolCheck.catch(() => undefined)
    const delta = await within(ms, from.delta(since.snapshot))
    take(delta.packed)
    requireSameHistory(since, delta)
    await poolCheck
    if (delta.lag !== null && Number.isFinite(delta.lag)) reportLag(Math.max(0, delta.lag))
    await within(ms, onDelta(delta))
    refreshedAt = Math.min(sentAt, poolCheckedAt)
    link.answered()
    skew.record(delta.at)
    entries.sweep(Math.min(delta.at, clock.now()) / 1_000)
    return { history: since.history, snapshot: delta.snapshot }
  }

  /** Checks the pool's history about once an interval, however often notifications arrive. */
  async function checkPool(since: NamedPosition, now: number, ms: number): Promise<void> {
    if (poolHistory && now - poolCheckedAt < interval / 2) return
    if (poolHistory) requireSamePool(since, await within(ms, poolHistory()))
    poolCheckedAt = now
  }

  async function within<Result>(ms: number, answer: Promise<Result>): Promise<Result> {
    const first = await Promise.race([answer.then((value) => ({ value })), clock.sleep(ms)])
    if (!first) throw new Error(`no answer from the database within ${String(ms)} ms`)
    return first.value
  }
}

export type Feed = ReturnType<typeof createFeed>
