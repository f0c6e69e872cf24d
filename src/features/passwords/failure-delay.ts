import type { Clock } from '../../concurrency/clock.js'

type Options = {
  /** The schemes of the imported hashes that are still stored. */
  listSchemes: () => Promise<string[]>
  clock: Pick<Clock, 'sleep'>
}

/** How many times of a scheme are kept. The highest one is left out, because it may be an accident. */
const keptTimes = 8
/** Below the deadline of a request. The bounds of hashes keep their times below it on any usual machine. */
const maxDelay = 10_000
/** Keys the times of argon2id with the present parameters. */
const own = ''
const maxSchemes = 100

/**
 * Delays failed logins until the slowest imported hash would have been verified. Without it the time of an answer
 * would tell which accounts exist and have not logged in since the import. A delay uses no CPU and no lane.
 */
export function createFailureDelay({ listSchemes, clock }: Options) {
  const times = new Map<string, number[]>()
  let present = new Set<string>()

  function typical(scheme: string): number {
    const sorted = [...(times.get(scheme) ?? [])].sort((a, b) => b - a)
    return sorted[1] ?? sorted[0] ?? 0
  }

  return {
    /** Records the time of a verification, in milliseconds. `scheme` is null for our own argon2id. */
    note(scheme: string | null, elapsed: number): void {
      const key = scheme ?? own
      if (scheme !== null && !present.has(scheme)) {
        if (present.size >= maxSchemes) return
        present.add(scheme)
      }
      times.set(key, [...(times.get(key) ?? []), elapsed].slice(-keptTimes))
    },

    /**
     * Reads which schemes are stored. `measure` verifies a hash of a scheme that has no time yet, and leads to
     * note().
     */
    async load(measure: (scheme: string) => Promise<void>): Promise<void> {
      const found = (await listSchemes()).slice(0, maxSchemes)
      present = new Set(found)
      for (const scheme of times.keys()) {
        if (scheme !== own && !present.has(scheme)) times.delete(scheme)
      }
      for (const scheme of found) {
        if (!times.has(scheme)) await measure(scheme)
      }
    },

    /** @param elapsed how long the failed verification took, in milliseconds */
    async wait(elapsed: number): Promise<void> {
      if (present.size === 0) return
      const slowest = Math.max(...[own, ...present].map(typical))
      const rest = Math.min(slowest, maxDelay) - elapsed
      if (rest > 0) await clock.sleep(rest)
    },
  }
}

export type FailureDelay = ReturnType<typeof createFailureDelay>
