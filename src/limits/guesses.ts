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
  const firsts = createLimiter(db, 'guesses', { points: free, seconds: memory })
  const gates = createLimiter(db, 'gate', { points: 1, seconds: longestWait })
  const passages = createLimiter(db, 'passages', { points: 1_000_000, seconds: memory })

  return {
    /**
     * Counted before the guess is looked at: parallel ones cannot slip through together. Only who
     * passes the gate lengthens the wait, or a flood would.
     * @throws AppError `rate_limited`, `unavailable`
     */
    async admit(key: string): Promise<void> {
      const { remaining } = await firsts.look(key)
      if (remaining > 0 && (await firsts.tries(key))) return
      const { limit, remaining: left } = await passages.look(key)
      await gates.take(key, Math.min(longestWait, 2 ** (limit - left)))
      await passages.take(key)
    },

    /** It was right: the budget is whole again. */
    async forgive(key: string): Promise<void> {
      await Promise.all([firsts, gates, passages].map((limiter) => limiter.reset(key)))
    },
  }
}

export type Guesses = ReturnType<typeof createGuesses>
