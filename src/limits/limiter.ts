import { RateLimiterPostgres, RateLimiterRes } from 'rate-limiter-flexible'
import type { Db } from '../db/pool.js'
import { AppError } from '../errors.js'

/** So many, in so many seconds. */
export type Budget = { points: number; seconds: number }

export type Standing = { limit: number; remaining: number; resetSeconds: number }

type Options = {
  /** Some of what is taken is given back: then a refusal must not outlast those who are under way. */
  isRefundable?: boolean
}

// In milliseconds: how long a refusal is repeated from memory where what was taken may come back.
const shortMemory = 1_000

/**
 * A budget that all instances share: one row a key, counted by one statement. What is over it is
 * refused from memory, and costs the database nothing.
 */
export function createLimiter(
  db: Db,
  name: string,
  { points, seconds }: Budget,
  { isRefundable = false }: Options = {},
) {
  const limiter = new RateLimiterPostgres({
    storeClient: {
      query: ({ text, values }: { text: string; values: unknown[] }) => db.query(text, values),
    },
    storeType: 'client',
    tableName: 'rate_limits',
    tableCreated: true,
    clearExpiredByTimeout: false,
    keyPrefix: name,
    points,
    duration: seconds,
    ...(!isRefundable && { inMemoryBlockOnConsumed: points + 1 }),
  })
  const refusals = new Map<string, { standing: Standing; until: number }>()

  return {
    /**
     * Takes one from the budget. `customSeconds` is how long it lasts where this one opens it.
     * @throws AppError `rate_limited`, `unavailable`
     */
    async take(key: string, customSeconds?: number): Promise<Standing> {
      const recent = refusals.get(key)
      if (recent && performance.now() < recent.until) throw rateLimited(recent.standing)
      const options = customSeconds === undefined ? {} : { customDuration: customSeconds }
      try {
        return standing(await limiter.consume(key, 1, options))
      } catch (refused) {
        if (!(refused instanceof RateLimiterRes)) throw refused
        if (isRefundable) await giveBack(key, standing(refused))
        throw rateLimited(standing(refused))
      }
    },

    /** Takes one if there is one; whether there was. @throws AppError `unavailable` */
    async tries(key: string): Promise<boolean> {
      try {
        await this.take(key)
        return true
      } catch (error) {
        if (error instanceof AppError && error.code === 'rate_limited') return false
        throw error
      }
    },

    /** Gives one back. */
    async refund(key: string): Promise<void> {
      await limiter.reward(key, 1)
    },

    /** How it stands; nothing is taken. */
    async look(key: string): Promise<Standing> {
      const found = await limiter.get(key)
      return found ? standing(found) : { limit: points, remaining: points, resetSeconds: seconds }
    },

    /** The whole budget is there again. */
    async reset(key: string): Promise<void> {
      await limiter.delete(key)
    },
  }

  /** What is refused has not been taken. */
  async function giveBack(key: string, standing: Standing): Promise<void> {
    if (refusals.size > 10_000) refusals.clear()
    refusals.set(key, { standing, until: performance.now() + shortMemory })
    await limiter.reward(key, 1)
  }

  function standing({ remainingPoints, msBeforeNext }: RateLimiterRes): Standing {
    const resetSeconds = Math.max(1, Math.ceil(msBeforeNext / 1_000))
    return { limit: points, remaining: Math.max(0, remainingPoints), resetSeconds }
  }
}

export type Limiter = ReturnType<typeof createLimiter>

/** The header fields that tell a client where it stands. */
export const rateLimitHeaders = ({ limit, remaining, resetSeconds }: Standing) => ({
  'ratelimit-limit': String(limit),
  'ratelimit-remaining': String(remaining),
  'ratelimit-reset': String(resetSeconds),
})

const rateLimited = (standing: Standing) =>
  new AppError('rate_limited', {
    retryAfter: standing.resetSeconds,
    headers: rateLimitHeaders({ ...standing, remaining: 0 }),
  })
