import { randomInt } from 'node:crypto'
import { AppError } from '../../errors.js'
import type { Change, Count, Counter, CounterRepository, Outcome } from './repository.js'

/** So many, in so many seconds. */
export type Budget = { points: number; seconds: number }

export type Standing = { limit: number; remaining: number; resetSeconds: number }

/** `isBlocked`: a silent counter refused. */
export type Reservation = {
  id: string
  counters: Counter[]
  standing: Standing
  isBlocked: boolean
}

// In milliseconds. A reservation outlives every check: two waits for a lane, two hashes, five statements.
const reservationLife = 30_000
// How long a refusal is repeated from memory.
const shortMemory = 1_000

/**
 * Budgets that all instances share. Each guess is reserved before the check, so that parallel
 * guesses cannot exceed the budget, and settled after it. A reservation that is not settled,
 * because the database or the process failed, expires.
 */
export function createLimiter(counters: CounterRepository, now: () => number) {
  const refusals = new Map<string, { standing: Standing; until: number }>()

  return {
    /**
     * Reserves one of each counter. The first one's standing is told to the client.
     * @throws AppError `rate_limited`, `unavailable`
     */
    async reserve(wanted: Counter[], pass?: string): Promise<Reservation> {
      const at = now()
      for (const { key } of wanted) {
        const recent = refusals.get(key)
        if (recent && at < recent.until) throw rateLimited(recent.standing)
      }
      const id = newReservation(at + reservationLife)
      const request = { now: at, counters: wanted, reservation: id, until: at + reservationLife }
      const counts = await counters.reserve(request, pass)
      const pairs = wanted.map((counter) => ({
        counter,
        count: counts.find(({ key }) => key === counter.key) ?? none(counter.key),
      }))
      const taken = pairs.filter(({ count }) => count.isTaken).map(({ counter }) => counter)
      // Under parallel guesses the counts may be those of before: that a counter was not taken decides.
      const missing = pairs.filter(({ counter, count }) => !counter.isSilent && !count.isTaken)
      const refused = missing.find(({ counter, count }) => isFull(counter, count, at)) ?? missing[0]
      if (refused) {
        if (taken.length > 0) await settle({ id, counters: taken }, 'keep')
        throw rateLimited(remember(refused.counter, refused.count, at))
      }
      const [first] = pairs
      return {
        id,
        counters: taken,
        standing: first ? standingOf(first.counter, first.count, at) : unlimited,
        isBlocked: pairs.some(({ counter, count }) => counter.isSilent && !count.isTaken),
      }
    },

    settle,

    /** Counts without a reservation. @throws AppError `rate_limited` over the budget, `unavailable` */
    async count(counter: Counter): Promise<void> {
      const at = now()
      const changes: Change[] = [{ counter, outcome: 'count' }]
      const [count = none(counter.key)] = await counters.settle({ now: at, changes })
      if (count.points > counter.most) throw rateLimited(standingOf(counter, count, at))
    },

    clear: (key: string): Promise<void> => counters.clear(key),
  }

  /** Ends a reservation: each counter gets its outcome, and `more` with it. @throws AppError `unavailable` */
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
    await counters.settle({ now: now(), changes: [...changes, ...more], reservation: id })
  }

  /** Refuses from memory for a moment, so that a flood over the budget costs no query. */
  function remember(counter: Counter, count: Count, at: number): Standing {
    const standing = standingOf(counter, count, at)
    if (count.pending > 0 || count.open_at <= at) return standing
    if (refusals.size > 10_000) refusals.clear()
    refusals.set(counter.key, { standing, until: Math.min(count.open_at, at + shortMemory) })
    return standing
  }
}

export type Limiter = ReturnType<typeof createLimiter>

/** The header fields that tell a client where it stands. */
export const rateLimitHeaders = ({ limit, remaining, resetSeconds }: Standing) => ({
  'ratelimit-limit': String(limit),
  'ratelimit-remaining': String(remaining),
  'ratelimit-reset': String(resetSeconds),
})

const unlimited: Standing = { limit: 0, remaining: 0, resetSeconds: 0 }

const newReservation = (until: number) =>
  ((BigInt(until) << 20n) | BigInt(randomInt(2 ** 20))).toString()

const none = (key: string): Count => ({
  key,
  isTaken: false,
  points: 0,
  pending: 0,
  expire: 0,
  open_at: 0,
})

const isFull = ({ most }: Counter, { points, pending, open_at }: Count, at: number) =>
  points + pending >= most && (pending > 0 || open_at > at)

function standingOf(counter: Counter, count: Count, at: number): Standing {
  const { most, seconds } = counter
  const { points, pending, expire, open_at, isTaken } = count
  const isExhausted = !isTaken && points >= most
  const until = isExhausted ? open_at : isTaken && points > 0 ? expire : at + seconds * 1_000
  const ms = !isTaken && !isExhausted ? 0 : until - at
  return {
    limit: most,
    remaining: Math.max(0, most - points - pending),
    resetSeconds: Math.max(1, Math.ceil(ms / 1_000)),
  }
}

const rateLimited = (standing: Standing) =>
  new AppError('rate_limited', {
    retryAfter: standing.resetSeconds,
    headers: rateLimitHeaders({ ...standing, remaining: 0 }),
  })
