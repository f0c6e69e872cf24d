import type { AccessClaims } from '../tokens/claims.js'
import type { SessionRepository } from './repository.js'

type Dependencies = { sessions: Pick<SessionRepository, 'markUsed'> }

const mostWaiting = 10_000

/**
 * Writes down which sessions use what their last refresh gave them: a client that never did may not
 * have got it. One statement at a time, for all that came meanwhile; no request waits for it, and what
 * gets lost only leaves a client more time to ask again.
 */
export function createUsage({ sessions }: Dependencies) {
  let waiting = new Map<string, number>()
  let running: Promise<void> | undefined

  return {
    /** An access token that this instance has not met before was accepted. */
    note({ sid, gen }: Pick<AccessClaims, 'sid' | 'gen'>): void {
      if (gen === 0 || waiting.size >= mostWaiting) return
      waiting.set(sid, Math.max(gen, waiting.get(sid) ?? 0))
      running ??= run()
    },

    /** Resolves when all that was noted before is written, or lost. */
    settled: async (): Promise<void> => running,
  }

  async function run(): Promise<void> {
    while (waiting.size > 0) {
      const batch = waiting
      waiting = new Map()
      await sessions.markUsed([...batch.keys()], [...batch.values()]).catch(() => undefined)
    }
    running = undefined
  }
}

export type Usage = ReturnType<typeof createUsage>
