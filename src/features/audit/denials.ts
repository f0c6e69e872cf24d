import type { FastifyBaseLogger } from 'fastify'
import type { Actor } from '../../http/caller.js'
import type { AuditRepository } from './repository.js'

type Dependencies = {
  audit: AuditRepository
  log: FastifyBaseLogger
  /** Milliseconds since 1970. */
  now: () => number
}

// In milliseconds.
const pause = 60_000
const mostUsers = 10_000

/**
 * Users who tried what only an administrator may. One row a user and minute, with the number of tries
 * that no row was written for: a user cannot fill the audit log.
 */
export function createDenials({ audit, log, now }: Dependencies) {
  const recent = new Map<string, { since: number; unwritten: number }>()
  const writing = new Set<Promise<void>>()

  return {
    note(caller: Actor, path: string): void {
      const { user_id } = caller
      const before = recent.get(user_id)
      if (before && now() - before.since < pause) {
        before.unwritten += 1
        return
      }
      if (recent.size >= mostUsers) recent.clear()
      recent.set(user_id, { since: now(), unwritten: 0 })
      const detail = { path, unwritten: before?.unwritten ?? 0 }
      const written = audit
        .add({ event: 'access.denied', caller, user_id, detail })
        .catch((err: unknown) => log.warn({ err }, 'a denial was not written to the audit log'))
        .finally(() => writing.delete(written))
      writing.add(written)
    },

    /** Resolves when all of them are written. */
    async settled(): Promise<void> {
      await Promise.all(writing)
    },
  }
}

export type Denials = ReturnType<typeof createDenials>
