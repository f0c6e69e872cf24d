import type { AuditRepository } from '../audit/repository.js'
import type { FactorMode } from '../factors/policy.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import { scheduler } from '../../http/caller.js'
import type { SessionRepository } from './repository.js'

type Store = UnitOfWork<{
  audit: Pick<AuditRepository, 'add'>
  sessions: Pick<SessionRepository, 'end' | 'listWithoutFactor'>
}>

const batchSize = 500

/** Ends the sessions from before MFA was switched on: those of users who need a second factor and have none. */
export async function endWithoutFactor(store: Store, mode: FactorMode): Promise<void> {
  if (mode === 'optional') return
  let ids: string[]
  do {
    ids = await store.sessions.listWithoutFactor(mode, batchSize)
    if (ids.length > 0) await end(ids)
  } while (ids.length === batchSize)

  async function end(found: string[]): Promise<void> {
    await store.transaction(async (tx) => {
      await tx.sessions.end(...found)
      const detail = { ended: found.length, mfa: mode }
      await tx.audit.add({ event: 'session.ended', caller: scheduler, detail })
    })
  }
}
