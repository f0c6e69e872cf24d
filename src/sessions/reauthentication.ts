import type { Caller } from '../audit/caller.js'
import { AppError } from '../errors.js'
import type { Limits } from '../limits/limits.js'
import type { PasswordHasher } from '../passwords/hash.js'
import type { Store } from '../store.js'

type Dependencies = { store: Store; passwords: PasswordHasher; limits: Limits }

/** Who logged in less than five minutes ago need not say the password again. In seconds. */
const fresh = 300

/** Proof that whoever holds a token is still its user, before what cannot be undone (ASVS 7.5.1). */
export function createReauthentication({ store, passwords, limits }: Dependencies) {
  return {
    /**
     * By the password. Its guesses are counted by session: a thief's do not hold up the owner.
     * @returns the user's present hash
     * @throws AppError `invalid_credentials`, `reauthentication_required` where there is no password,
     *   `rate_limited`, `overloaded`
     */
    async byPassword({ user_id, session_id }: Caller, password: string): Promise<string> {
      const key = `session:${session_id ?? ''}`
      await limits.guesses.admit(key)
      const found = await store.users.findCredentialById(user_id ?? '')
      const { valid } = await passwords.verify(found?.password_hash, password)
      if (found && found.password_hash === null) throw new AppError('reauthentication_required')
      if (!valid || !found?.password_hash) throw new AppError('invalid_credentials')
      await limits.guesses.forgive(key)
      return found.password_hash
    },

    /**
     * By the password, or without one by a session that has just begun.
     * @throws AppError as byPassword, and `reauthentication_required`
     */
    async byPasswordOrFreshness(caller: Caller, password: string | undefined): Promise<void> {
      if (password !== undefined) {
        await this.byPassword(caller, password)
        return
      }
      const { user_id, session_id } = caller
      if (!(await store.sessions.isFresh(session_id ?? '', user_id ?? '', fresh))) {
        throw new AppError('reauthentication_required')
      }
    },
  }
}

export type Reauthentication = ReturnType<typeof createReauthentication>
