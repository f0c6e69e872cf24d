import { randomInt } from 'node:crypto'
import type { Clock } from '../../concurrency/clock.js'
import { AppError } from '../../errors.js'
import type { Change, Count, Counter, CounterRepository, Outcome } from './repository.js'

/** How many points are admitted in how many seconds. */
export type Budget = { points: number; seconds: number }

export type RateLimitStatus = { limit: number; remaining: number; resetSeconds: number }

/** The reserved counters. `isBlocked` means that a silent counter refused. */
export type Reservation = {
  id: string
  counters: Counter[]
  status: RateLimitStatus
  isBlocked: boolean
}

// In milliseconds. Longer than any check takes: two waits for a lane, two hashes, five statements.
const reservationLife = 30_000
// How long a refusal is repeated from memory, in milliseconds.
const refusalMemory = 1_000

/**
 * Enforces budgets that all instances share. A point is reserved before a check and settled after it, so
 * that parallel requests cannot exceed the budget. If the database or the process fails before the
 * reservation is settled, it expires.
 */
export function createLimiter(counters: CounterRepository, clock: Pick<Clock, 'now'>) {
  const refusals = new Map<string, { status: RateLimitStatus; until: number }>()

  return {
    /**
     * Reserves a point in each counter. The returned status is that of the first counter. While the mark
     * with the key `pass` is valid, silent counters admit everything.
     * @throws AppError `rate_limited`, `unavailable`
     */
    async reserve(wanted: Counter[], pass?: string): Promise<Reservation> {
      const at = clock.now()
      for (const { key } of wanted) {
        const recent = refusals.get(key)
        if (recent && at < recent.until) throw rateLimited(recent.status)
      }
      const id = newReservation(at + reservationLife)
      const request = { now: at, counters: wanted, reservation: id, until: at + reservationLife }
      const counts = await counters.reserve(request, pass)
      const pairs = wanted.map((counter) => ({
        counter,
        count: counts.find(({ key }) => key === counter.key) ?? emptyCount(counter.key),
      }))
      const taken = pairs.filter(({ count }) => count.isTaken).map(({ counter }) => counter)
      // With parallel requests the counts may be outdated, so `isTaken` decides and not the counts.
      const missing = pairs.filter(({ counter, count }) => !counter.isSilent && !count.isTaken)
      const refused = missing.find(({ counter, count }) => isFull(counter, count, at)) ?? missing[0]
      if (refused) {
        if (taken.length > 0) await settle({ id, counters: taken }, 'keep')
        throw rateLimited(rememberRefusal(refused.counter, refused.count, at))
      }
      const [first] = pairs
      return {
        id,
        counters: taken,
        status: first ? statusOf(first.counter, first.count, at) : unlimited,
        isBlocked: pairs.some(({ counter, count }) => counter.isSilent && !count.isTaken),
      }
    },

    settle,

    /** Counts a point without a reservation. @throws AppError `rate_limited` over the budget, `unavailable` */
    async count(counter: Counter): Promise<void> {
      const at = clock.now()
      const changes: Change[] = [{ counter, outcome: 'count' }]
      const [count = emptyCount(counter.key)] = await counters.settle({ now: at, changes })
      if (count.points > counter.max) throw rateLimited(statusOf(counter, count, at))
    },

    clear: (key: string): Promise<void> => counters.clear(key),
  }

  /** Ends a reservation: each counter gets its outcome. It also applies `more`. @throws AppError `unavailable` */
  async function settle(
    { id, counters: reserved }: Pick<Reservation, 'id' | 'counters'>,
    outcome: Outcome | ((counter: Counter) => Outcome),
    more: Change[] = [],
  ): Promise<void> {
    const changes = reserved.map((counter) => ({
      counter,
      outcome: typeof outcome === 'string' ? outcome : outcome(counter),
    }))
    for (const change of changes) {
      if (change.outcome !== 'count') refusals.delete(change.counter.key)
    }
    await counters.settle({ now: clock.now(), changes: [...changes, ...more], reservation: id })
  }

  /** Repeats the refusal from memory for a moment, so that a flood over the budget costs no queries. */
  function rememberRefusal(counter: Counter, count: Count, at: number): RateLimitStatus {
    const status = statusOf(counter, count, at)
    if (count.pending > 0 || count.open_at <= at) return status
    if (refusals.size > 10_000) refusals.clear()
    refusals.set(counter.key, { status, until: Math.min(count.open_at, at + refusalMemory) })
    return status
  }
}

export type Limiter = ReturnType<typeof createLimiter>

/** The RateLimit header fields of a reply. */
export const rateLimitHeaders = ({ limit, remaining, resetSeconds }: RateLimitStatus) => ({
  'ratelimit-limit': String(limit),
  'ratelimit-remaining': String(remaining),
  'ratelimit-reset': String(resetSeconds),
})

const unlimited: RateLimitStatus = { limit: 0, remaining: 0, resetSeconds: 0 }

const newReservation = (until: number) =>
  ((BigInt(until) << 20n) | BigInt(randomInt(2 ** 20))).toString()

const emptyCount = (key: string): Count => ({
  key,
  isTaken: false,
  points: 0,
  pending: 0,
  expire: 0,
  open_at: 0,
})

const isFull = ({ max }: Counter, { points, pending, open_at }: Count, at: number) =>
  points + pending >= max && (pending > 0 || open_at > at)

function statusOf(counter: Counter, count: Count, at: number): RateLimitStatus {
  const { max, seconds } = counter
  const { points, pending, expire, open_at, isTaken } = count
  const isExhausted = !isTaken && points >= max
  const until = isExhausted ? open_at : isTaken && points > 0 ? expire : at + seconds * 1_000
  const ms = !isTaken && !isExhausted ? 0 : until - at
  return {
    limit: max,
    remaining: Math.max(0, max - points - pending),
    resetSeconds: Math.max(1, Math.ceil(ms / 1_000)),
  }
}

const rateLimited = (status: RateLimitStatus) =>
  new AppError('rate_limited', {
    retryAfter: status.resetSeconds,
    headers: rateLimitHeaders({ ...status, remaining: 0 }),
  })
