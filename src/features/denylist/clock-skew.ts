import type { FastifyBaseLogger } from 'fastify'
import type { Clock } from '../../concurrency/clock.js'

/** A skew above this is logged, in milliseconds. */
const tolerance = 500

/** Tracks how far the clock of the database is ahead of this host's. */
export function createClockSkew(log: FastifyBaseLogger, clock: Clock) {
  let skew = 0

  return {
    /** The last skew, in milliseconds. */
    get ms() {
      return skew
    },

    /** Logs a warning when the skew begins. @param time the database's clock, in milliseconds since 1970 */
    record(time: number): void {
      const before = skew
      skew = time - clock.now()
      if (Math.abs(skew) > tolerance && Math.abs(before) <= tolerance) {
        log.warn({ ms: Math.round(skew) }, 'the clocks of the database and this host differ')
      }
    },
  }
}
