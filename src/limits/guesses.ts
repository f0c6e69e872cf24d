import type { Db } from '../db/pool.js'
import { createLimiter } from './limiter.js'

// In seconds.
const memory = 86_400
const longestWait = 3_600
const free = 5

/**
 * Guesses at one password: five at once, and from then on one at a time with a wait between them that
 * doubles from a second to an hour. Far from 100 in a row (NIST SP 800-63B-4 §3.2.2), never a lock.
 */
export function createGuesses(db: Db) {
  const counts = createLimiter(db, 'guesses', { points: 1_000_000, seconds: memory })
  const gates = createLimiter(db, 'gate', { points: 1, seconds: longestWait })

  return {
    /**
     * Counted before the guess is looked at: parallel ones cannot slip through together. What is
     * refused does not count, or a flood would lengthen the wait.
     * @throws AppError `rate_limited`, `unavailable`
     */
    async admit(key: string): Promise<void> {
      const before = await counts.taken(key)
      if (before < free) {
        const { limit, remaining } = await counts.take(key)
        if (limit - remaining <= free) return
        await counts.refund(key)
      }
      await gates.take(key, Math.min(longestWait, 2 ** Math.max(0, before - free)))
      await counts.take(key)
    },

    /** It was right: the budget is whole again. */
    async forgive(key: string): Promise<void> {
      await Promise.all([counts.reset(key), gates.reset(key)])
    },
  }
}

export type Guesses = ReturnType<typeof createGuesses>
