import type { Actor } from '../../http/caller.js'
import { AppError } from '../../errors.js'
import { judge } from '../limits/guesses.js'
import type { Limits } from '../limits/limits.js'
import type { PasswordHasher } from './hash.js'
import type { AuditRepository } from '../audit/repository.js'

type Repositories = {
  audit: Pick<AuditRepository, 'add'>
  sessions: { isFresh: (id: string, userId: string, seconds: number) => Promise<boolean> }
  users: {
    findCredentialById: (id: string) => Promise<{ password_hash: string | null } | undefined>
  }
}

type Dependencies = {
  store: Repositories
  passwords: PasswordHasher
  limits: Limits
}

/** Who logged in less than five minutes ago need not say the password again. In seconds. */
const fresh = 300

/** Proof that whoever holds a token is still its user, before what cannot be undone (ASVS 7.5.1). */
export function createReauthentication({ store, passwords, limits }: Dependencies) {
  return {
    byPassword,

    /**
     * By the password, or without one by a session that has just begun.
     * @throws AppError as byPassword, and `reauthentication_required`
     */
    async byPasswordOrFreshness(caller: Actor, password: string | undefined): Promise<void> {
      if (password !== undefined) {
        await byPassword(caller, password)
        return
      }
      const { user_id, session_id } = caller
      if (!(await store.sessions.isFresh(session_id, user_id, fresh))) {
        throw new AppError('reauthentication_required')
      }
    },
  }

  /**
   * By the password. Its guesses are counted by session: a thief's do not hold up the owner.
   * @returns the user's present hash
   * @throws AppError `invalid_credentials`, `reauthentication_required` where there is no password,
   *   `rate_limited`, `overloaded`
   */
  async function byPassword(caller: Actor, password: string): Promise<string> {
    const { user_id, session_id } = caller
    const attempt = await limits.guesses.session(session_id)
    const hash = await judge(attempt, async () => {
      const found = await store.users.findCredentialById(user_id)
      const { valid } = await passwords.verify(found?.password_hash, password)
      if (found && found.password_hash === null) throw new AppError('reauthentication_required')
      if (valid && found?.password_hash) return found.password_hash
      const event = 'reauthentication.failed'
      await store.audit.add({ event, caller, user_id })
      return undefined
    })
    if (hash === undefined) throw new AppError('invalid_credentials')
    return hash
  }
}

export type Reauthentication = ReturnType<typeof createReauthentication>
