import { RateLimiterPostgres, RateLimiterRes } from 'rate-limiter-flexible'
import type { Db } from '../db/pool.js'
import { AppError } from '../errors.js'

/** So many, in so many seconds. */
export type Budget = { points: number; seconds: number }

export type Standing = { limit: number; remaining: number; resetSeconds: number }

/**
 * A budget that all instances share: one row a key, counted by one statement. What is over it is
 * refused from memory until it has recovered.
 */
export function createLimiter(db: Db, name: string, { points, seconds }: Budget) {
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
    inMemoryBlockOnConsumed: points + 1,
  })

  return {
    /**
     * Takes one from the budget. `customSeconds` is how long it lasts where this one opens it.
     * @throws AppError `rate_limited`, `unavailable`
     */
    async take(key: string, customSeconds?: number): Promise<Standing> {
      const options = customSeconds === undefined ? {} : { customDuration: customSeconds }
      try {
        return standing(await limiter.consume(key, 1, options))
      } catch (refused) {
        if (refused instanceof RateLimiterRes) throw rateLimited(standing(refused))
        throw refused
      }
    },

    /** Gives one back. */
    async refund(key: string): Promise<void> {
      await limiter.reward(key, 1)
    },

    /** How many were taken; 0 where the budget is whole. */
    async taken(key: string): Promise<number> {
      return (await limiter.get(key))?.consumedPoints ?? 0
    },

    /** The whole budget is there again. */
    async reset(key: string): Promise<void> {
      await limiter.delete(key)
    },
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
