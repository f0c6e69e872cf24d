import type { Actor } from '../../http/caller.js'
import { AppError } from '../../errors.js'
import { checkGuess } from '../limits/guesses.js'
import type { Limits } from '../limits/limits.js'
import type { PasswordHasher } from './hash.js'
import type { AuditRepository } from '../audit/repository.js'

type Repositories = {
  audit: Pick<AuditRepository, 'add'>
  sessions: { startedWithin: (id: string, userId: string, seconds: number) => Promise<boolean> }
  users: {
    findCredentialById: (id: string) => Promise<{ password_hash: string | null } | undefined>
  }
}

type Dependencies = {
  store: Repositories
  passwords: PasswordHasher
  limits: Limits
}

/** How long after a login the password is not needed again, in seconds. */
const recentLogin = 300

/** Checks before a sensitive change that the caller is the user, and not only holds a token (ASVS 7.5.1). */
export function createReauthentication({ store, passwords, limits }: Dependencies) {
  return {
    byPassword,

    /**
     * Checks the password if one is given, otherwise that the session began less than five minutes ago.
     * @throws AppError `reauthentication_required`, and those of byPassword()
     */
    async byPasswordOrRecentLogin(caller: Actor, password: string | undefined): Promise<void> {
      if (password !== undefined) {
        await byPassword(caller, password)
        return
      }
      await byRecentLogin(caller)
    },

    byRecentLogin,
  }

  /**
   * Checks that the session began less than five minutes ago, with every factor that the user has.
   * @throws AppError `reauthentication_required`
   */
  async function byRecentLogin({ user_id, session_id }: Actor): Promise<void> {
    if (!(await store.sessions.startedWithin(session_id, user_id, recentLogin))) {
      throw new AppError('reauthentication_required')
    }
  }

  /**
   * Checks the password. Wrong guesses are counted by session, so that those of a thief do not block the user.
   * @returns the user's current password hash
   * @throws AppError `invalid_credentials`, `reauthentication_required` if the user has no password,
   *   `rate_limited`, `overloaded`
   */
  async function byPassword(caller: Actor, password: string): Promise<string> {
    const { user_id, session_id } = caller
    const attempt = await limits.guesses.session(session_id)
    const hash = await checkGuess(attempt, async () => {
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
