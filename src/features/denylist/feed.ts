import { createEntries, type Denial, type Entries } from '@gatehouse/verify/protocol'
import type { FastifyBaseLogger } from 'fastify'
import { HistoryError, named, requireSame, requireSamePool, type NamedPosition } from './history.js'
import type { Delta } from './repository.js'
import { ListenError, type Page, type Source } from './sources.js'

type Options = {
  entries: Entries
  connect: () => Promise<Source>
  /** The history that the pool is on, where the source is another connection. */
  poolHistory?: (() => Promise<string | null>) | undefined
  /** How long to wait for news before asking anyway, in milliseconds. */
  interval: number
  log: FastifyBaseLogger
  /** Milliseconds from anywhere, that only grow. */
  clock: () => number
  sleep: (ms: number) => Promise<void>
  /** From 0 to 1: instances that lost the database together come back one by one. */
  random: () => number
  /** Called at each answer, before it renews the lease: what else must not be missed. */
  onHeard: (delta: Delta) => Promise<void>
  /** Called with what was denied before the history changed, and is not in the new one. */
  onLost: (denials: Denial[]) => void
}

/** How long a replica may answer after it last heard from the database, in milliseconds. */
const lease = 2_000
const deadline = 1_000
const longDeadline = 5_000 // to connect, and for what takes a while
const pageSize = 50_000
/** Doubles to two seconds. */
const backoff = (failures: number, random: number) =>
  Math.min(2_000, 50 * 2 ** failures) * (0.5 + random / 2)
const firstId = '00000000-0000-0000-0000-000000000000'

/**
 * Keeps the entries as the database has them. On a connection of its own it is told of news, and asks
 * for them at every `interval` all the same: what it has not seen, by transaction, so that nothing is
 * missed in whatever order transactions commit. Each answer renews the lease, from when it was asked for.
 *
 * Transactions are comparable within one history of the database only. When that changes, as by a
 * failover, the feed loads everything again; entries stay until they expire, since the new history
 * may lack what was acknowledged on the old one.
 */
export function createFeed(options: Options) {
  const { entries, connect, interval, log, clock, sleep, random, onHeard } = options
  const { poolHistory, onLost } = options
  let heardAt = -Infinity
  /** When the pool was last asked, and was on our history. */
  let agreedAt = -Infinity
  let history: string | undefined
  let hasChanged = false
  const stopping = new AbortController()
  const isStopped = () => stopping.signal.aborted
  let source: Source | undefined
  let running: Promise<void> = Promise.resolve()
  const stopped = new Promise((resolve) => stopping.signal.addEventListener('abort', resolve))
  const status = { reconnects: 0, historyChanges: 0, skew: 0 }
  let onNews: (lag: number) => void = () => undefined

  return {
    isFresh,

    /** Whether it is to be sent requests: fresh, and by clocks that say the same. */
    isReady: () => isFresh() && Math.abs(status.skew) < 2_000,

    /** Milliseconds since it last heard, how far the clocks differ, and what went wrong so far. */
    status: () => ({ ...status, age: clock() - heardAt }),

    /** `listener` is called whenever there is news, with the seconds since the oldest was written. */
    onNews: (listener: (lag: number) => void): void => void (onNews = listener),

    /** Resolves once it holds every denial. @throws ListenError where it could never be told of news */
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

  function isFresh(): boolean {
    return clock() - heardAt < lease
  }

  async function run(onFull: () => void, onHopeless: (error: Error) => void): Promise<void> {
    for (let failures = 0; !isStopped(); failures += 1) {
      try {
        source = await open()
        const position = await load(source)
        onFull()
        failures = 0
        await follow(source, position)
      } catch (error) {
        if (error instanceof ListenError && heardAt === -Infinity) {
          onHopeless(error)
          return
        }
        if (error instanceof HistoryError) hasChanged = true
        else if (!isStopped()) {
          log.warn({ err: error }, 'the denylist hears nothing: connecting again')
        }
      } finally {
        source?.close()
      }
      status.reconnects += 1
      if (!isStopped()) await Promise.race([sleep(backoff(failures, random())), stopped])
    }
  }

  /** A connection that comes too late is closed then. */
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
      await from.news(interval)
      position = await beat(from, position)
    }
  }

  /** All of it, and then what came meanwhile. */
  async function load(from: Source): Promise<NamedPosition> {
    const begin = named(await within(deadline, from.position()))
    agreedAt = -Infinity
    const isNew = history !== undefined && (hasChanged || history !== begin.history)
    if (isNew) log.warn('database history changed, reloading the denylist')
    const loaded = isNew ? createEntries() : undefined
    const take = (packed: Buffer) => {
      entries.addPacked(packed)
      loaded?.addPacked(packed)
    }
    for (let after: string | null = firstId; after !== null;) {
      const page: Page = await within(longDeadline, from.page(after, pageSize))
      requireSame(begin, page)
      take(page.packed)
      after = page.count < pageSize ? null : page.last
    }
    const position = await beat(from, begin, longDeadline, take)
    if (loaded) {
      status.historyChanges += 1
      onLost(entries.missingFrom(loaded, Date.now() / 1_000))
    }
    history = position.history
    hasChanged = false
    return position
  }

  /** @throws HistoryError when the server is no longer, or the pool is not, on the history of `since` */
  async function beat(
    from: Source,
    since: NamedPosition,
    ms = deadline,
    take = (packed: Buffer) => entries.addPacked(packed),
  ): Promise<NamedPosition> {
    const askedAt = clock()
    const agreeing = agree(since, askedAt, ms)
    agreeing.catch(() => undefined)
    const delta = await within(ms, from.delta(since.snapshot))
    take(delta.packed)
    requireSame(since, delta)
    await agreeing
    if (delta.lag !== null && Number.isFinite(delta.lag)) onNews(Math.max(0, delta.lag))
    await within(ms, onHeard(delta))
    heardAt = Math.min(askedAt, agreedAt)
    note(delta.at)
    entries.sweep(Math.min(delta.at, Date.now()) / 1_000)
    return { history: since.history, snapshot: delta.snapshot }
  }

  /** Asks the pool at every interval, however often there is news. */
  async function agree(since: NamedPosition, askedAt: number, ms: number): Promise<void> {
    if (poolHistory && askedAt - agreedAt < interval / 2) return
    if (poolHistory) requireSamePool(since, await within(ms, poolHistory()))
    agreedAt = askedAt
  }

  function note(at: number): void {
    const skew = at - Date.now()
    if (Math.abs(skew) > 500 && Math.abs(status.skew) <= 500) {
      log.warn({ ms: Math.round(skew) }, 'the clock of the database is not that of this host')
    }
    status.skew = skew
  }

  async function within<Result>(ms: number, answer: Promise<Result>): Promise<Result> {
    const first = await Promise.race([answer.then((value) => ({ value })), sleep(ms)])
    if (!first) throw new Error(`no answer within ${String(ms)} ms`)
    return first.value
  }
}

export type Feed = ReturnType<typeof createFeed>
