import type { FastifyBaseLogger } from 'fastify'
import type { Entries } from './entries.js'
import type { Delta } from './repository.js'
import { ListenError, type Page, type Source } from './sources.js'

type Options = {
  entries: Entries
  connect: () => Promise<Source>
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
 */
export function createFeed(options: Options) {
  const { entries, connect, interval, log, clock, sleep, random, onHeard } = options
  let heardAt = -Infinity
  const stopping = new AbortController()
  const isStopped = () => stopping.signal.aborted
  let source: Source | undefined
  let running: Promise<void> = Promise.resolve()
  const stopped = new Promise((resolve) => stopping.signal.addEventListener('abort', resolve))
  const status = { reconnects: 0, skew: 0 }
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
        const snapshot = await load(source)
        onFull()
        failures = 0
        await follow(source, snapshot)
      } catch (error) {
        if (error instanceof ListenError && heardAt === -Infinity) {
          onHopeless(error)
          return
        }
        if (!isStopped()) log.warn({ err: error }, 'the denylist hears nothing: connecting again')
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

  async function follow(from: Source, loaded: string): Promise<void> {
    for (let snapshot = loaded; !isStopped();) {
      await from.news(interval)
      snapshot = await beat(from, snapshot)
    }
  }

  /** All of it, and then what came meanwhile. */
  async function load(from: Source): Promise<string> {
    const snapshot = await within(deadline, from.snapshot())
    for (let after: string | null = firstId; after !== null;) {
      const page: Page = await within(longDeadline, from.page(after, pageSize))
      entries.addPacked(page.packed)
      after = page.count < pageSize ? null : page.last
    }
    return beat(from, snapshot, longDeadline)
  }

  async function beat(from: Source, since: string, ms = deadline): Promise<string> {
    const askedAt = clock()
    const delta = await within(ms, from.delta(since))
    entries.addPacked(delta.packed)
    if (delta.lag !== null && Number.isFinite(delta.lag)) onNews(Math.max(0, delta.lag))
    await within(ms, onHeard(delta))
    heardAt = askedAt
    note(delta.at)
    entries.sweep(Math.min(delta.at, Date.now()) / 1_000)
    return delta.snapshot
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
