import { hashSecret } from '../../crypto/secrets.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import { AppError } from '../../errors.js'
import type { Caller } from '../../http/caller.js'
import type { AuditRepository } from '../audit/repository.js'
import type { NoticedLogin } from '../messages/noticed-login.js'
import { addressFor } from '../users/addresses.js'
import { forceReset, type ForcedReset } from '../users/forced-reset.js'
import type { UserRepository } from '../users/repository.js'
import type { LoginNoticeRepository } from './repository.js'

type Repositories = ForcedReset & {
  audit: Pick<AuditRepository, 'add'>
  loginNotices: Pick<LoginNoticeRepository, 'find' | 'use'>
  sessions: { end: (id: string) => Promise<void> }
  users: Pick<UserRepository, 'findCredentialById' | 'lock'>
}

/** `sent`: a message to choose another password was sent. `kept`: the user has no password, or no address. */
export type Disowned = 'sent' | 'kept' | 'before'

/** What the link "This was not me" does, in the message about a login on an unknown device. */
export function createLoginNoticeService({ store }: { store: UnitOfWork<Repositories> }) {
  return {
    /** The login that the link tells of; undefined if the link is unknown or has expired. Changes nothing. */
    find: (token: string): Promise<NoticedLogin | undefined> =>
      store.loginNotices.find(hashSecret(token)),

    /**
     * Ends the login, and forces a reset of the password: whoever logged in may know it. A change of the password since
     * then makes no difference, because the same person may have made it. The second factor stays.
     * @returns `before` if the link was used already
     * @throws AppError `invalid_code` if the link is unknown or has expired
     */
    async disown(token: string, caller: Caller): Promise<Disowned> {
      const found = await store.loginNotices.find(hashSecret(token))
      if (!found) throw new AppError('invalid_code')
      if (found.used_at !== null) return 'before'
      const { id, user_id } = found
      return store.transaction(async (tx) => {
        const user = await tx.users.lock(user_id)
        if (!(await tx.loginNotices.use(id))) return 'before'
        const owner = await tx.users.findCredentialById(user_id)
        const to = owner?.password_hash == null ? undefined : addressFor(user)
        // Also if it has ended: its access tokens may still be valid.
        await tx.sessions.end(id)
        await forceReset(tx, user_id, to)
        await tx.audit.add({ event: 'login.disowned', caller, user_id, detail: { session: id } })
        return to ? 'sent' : 'kept'
      })
    },
  }
}

export type LoginNoticeService = ReturnType<typeof createLoginNoticeService>
