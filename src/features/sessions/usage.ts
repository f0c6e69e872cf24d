import type { AccessClaims } from '@gatehouse/verify/protocol'
import type { SessionRepository } from './repository.js'

type Dependencies = { sessions: Pick<SessionRepository, 'markUsed'> }

const maxWaiting = 10_000

/**
 * Records for which sessions an access token of the present generation was accepted. Without such a
 * token, the client may not have received the last pair (see refresh-rule.ts). Marks are written in
 * batches, one statement at a time, and no request waits for them. A lost mark is written again with the
 * session's next access token.
 */
export function createUsage({ sessions }: Dependencies) {
  let waiting = new Map<string, number>()
  let running: Promise<void> = Promise.resolve()
  /** Resolves when the marks that wait now are written or lost. */
  let upcoming: Promise<void> | undefined

  return {
    /** Call it when this instance accepts an access token for the first time. */
    markUsed({ sid, gen }: Pick<AccessClaims, 'sid' | 'gen'>): void {
      if (gen === 0 || waiting.size >= maxWaiting) return
      waiting.set(sid, Math.max(gen, waiting.get(sid) ?? 0))
      upcoming ??= running.then(write)
    },

    /** Resolves when all earlier marks are written or lost. It does not wait for later marks. */
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
