import type { AccessClaims } from '@gatehouse/verify/protocol'
import type { SessionRepository } from './repository.js'

type Dependencies = { sessions: Pick<SessionRepository, 'markUsed'> }

const mostWaiting = 10_000

/**
 * Writes down of which sessions an access token of the present generation was accepted: a client that
 * shows none may not have got it. One statement at a time, for all that came meanwhile; no request waits
 * for it. What gets lost is made up for by the next access token of the session.
 */
export function createUsage({ sessions }: Dependencies) {
  let waiting = new Map<string, number>()
  let running: Promise<void> = Promise.resolve()
  /** Ends when all that waits now is written, or lost. */
  let upcoming: Promise<void> | undefined

  return {
    /** An access token that this instance has not met before was accepted. */
    note({ sid, gen }: Pick<AccessClaims, 'sid' | 'gen'>): void {
      if (gen === 0 || waiting.size >= mostWaiting) return
      waiting.set(sid, Math.max(gen, waiting.get(sid) ?? 0))
      upcoming ??= running.then(write)
    },

    /** Resolves when all that was noted before is written, or lost; for what comes later it does not wait. */
    settled: (): Promise<void> => upcoming ?? running,
  }

  async function write(): Promise<void> {
    const batch = waiting
    waiting = new Map()
    running = upcoming ?? running
    upcoming = undefined
    await sessions.markUsed([...batch.keys()], [...batch.values()]).catch(() => undefined)
  }
}

export type Usage = ReturnType<typeof createUsage>
