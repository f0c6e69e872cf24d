import type { FastifyBaseLogger } from 'fastify'
import type { Clock } from '../../concurrency/clock.js'
import { failureFields } from '../../db/outage.js'
import type { Actor } from '../../http/caller.js'
import type { AuditRepository } from './repository.js'

type Dependencies = {
  audit: Pick<AuditRepository, 'add'>
  log: FastifyBaseLogger
  clock: Pick<Clock, 'monotonic'>
}

// In milliseconds.
const interval = 60_000
const maxUsers = 10_000

/**
 * Audits users who call a route for administrators. It writes at most one entry per user and minute, with
 * the number of calls left out since the last entry, so that a user cannot fill the audit log.
 */
export function createAccessDenials({ audit, log, clock }: Dependencies) {
  const recent = new Map<string, { since: number; unwritten: number }>()
  const writing = new Set<Promise<void>>()

  return {
    record(caller: Actor, path: string): void {
      const { user_id } = caller
      const before = recent.get(user_id)
      if (before && clock.monotonic() - before.since < interval) {
        before.unwritten += 1
        return
      }
      if (recent.size >= maxUsers) recent.clear()
      recent.set(user_id, { since: clock.monotonic(), unwritten: 0 })
      const detail = { path, unwritten: before?.unwritten ?? 0 }
      const written = audit
        .add({ event: 'access.denied', caller, user_id, detail })
        .catch((err: unknown) =>
          log.warn(failureFields(err), 'denied access not written to the audit log'),
        )
        .finally(() => writing.delete(written))
      writing.add(written)
    },

    /** Resolves when all entries are written or lost. */
    async settled(): Promise<void> {
      await Promise.all(writing)
    },
  }
}

export type AccessDenials = ReturnType<typeof createAccessDenials>
