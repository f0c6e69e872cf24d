import type { Actor, Caller } from '../../http/caller.js'
import { AppError } from '../../errors.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import type { AuditRepository } from '../audit/repository.js'
import { checkGuess } from '../limits/guesses.js'
import type { Limits } from '../limits/limits.js'
import type { OutboxRepository } from '../messages/repository.js'
import type { Reauthentication } from '../passwords/reauthentication.js'
import { addressFor } from '../users/addresses.js'
import type { User } from '../users/schemas.js'
import type { UserRepository } from '../users/repository.js'
import { needsFactor, type FactorMode } from './policy.js'
import type { FactorRepository } from './repository.js'
import type { Enrolment, Factors } from './schemas.js'
import type { FactorSecrets } from './secrets.js'

type Repositories = {
  audit: Pick<AuditRepository, 'add'>
  factors: FactorRepository
  outbox: Pick<OutboxRepository, 'put'>
  passkeys: { removeAll: (userId: string) => Promise<number> }
  sessions: {
    endAll: (userId: string, except?: string | null) => Promise<unknown>
    proveFactor: (id: string) => Promise<void>
  }
  users: Pick<UserRepository, 'get' | 'lock'>
}

type Dependencies = {
  store: UnitOfWork<Repositories>
  secrets: FactorSecrets
  reauthentication: Reauthentication
  limits: Limits
  mode: FactorMode
}

/** The second factor of a user: to add, change and remove it. Each change is audited and mailed. */
export function createFactorService(dependencies: Dependencies) {
  const { store, secrets, reauthentication, limits, mode } = dependencies

  return {
    async get(userId: string): Promise<Factors> {
      const stored = await store.factors.findTotp(userId)
      const { roles } = await store.users.get(userId)
      return {
        totp: stored?.secret != null,
        confirmed_at: stored?.confirmed_at ?? null,
        recovery_codes: await store.factors.countCodes(userId),
        required: needsFactor(mode, roles),
        trusted_devices: await store.factors.listTrusted(userId),
      }
    },

    /**
     * Makes the secret of a new authenticator app. The present one, if there is one, works until a code confirms it.
     * @throws AppError `reauthentication_required`
     */
    async begin(caller: Actor): Promise<Enrolment> {
      await reauthentication.byRecentLogin(caller)
      const user = await store.users.get(caller.user_id)
      return secrets.enrol(store, user.id, labelOf(user))
    },

    /**
     * Confirms the new app by a code. Every other session ends, because it began without the factor.
     * @returns the recovery codes
     * @throws AppError `reauthentication_required`, `invalid_code`, `rate_limited`
     */
    async confirm(caller: Actor, code: string): Promise<string[]> {
      await reauthentication.byRecentLogin(caller)
      const { user_id } = caller
      const attempt = await limits.guesses.factor(user_id)
      const codes = await checkGuess(attempt, () =>
        store.transaction(async (tx) => {
          const user = await tx.users.lock(user_id)
          const made = await secrets.confirm(tx, user_id, code)
          if (!made) return undefined
          await tx.sessions.endAll(user_id, caller.session_id)
          await tx.sessions.proveFactor(caller.session_id)
          await announceAdded(tx, caller, user)
          return made
        }),
      )
      if (!codes) throw new AppError('invalid_code')
      return codes
    },

    /** Replaces the recovery codes. @throws AppError `reauthentication_required`, `not_found` without a factor */
    async renewCodes(caller: Actor): Promise<string[]> {
      await reauthentication.byRecentLogin(caller)
      const { user_id } = caller
      return store.transaction(async (tx) => {
        await tx.factors.lockOwner(user_id)
        if (!(await tx.factors.findTotp(user_id))?.secret) throw new AppError('not_found')
        const event = 'factor.codes_renewed'
        await tx.audit.add({ event, caller, user_id })
        return secrets.makeCodes(tx, user_id)
      })
    },

    /** @throws AppError `reauthentication_required`, `not_found`, `factor_required` if the service requires it */
    async remove(caller: Actor): Promise<void> {
      await reauthentication.byRecentLogin(caller)
      await store.transaction(async (tx) => {
        const user = await tx.users.lock(caller.user_id)
        if (needsFactor(mode, user.roles)) throw new AppError('factor_required')
        if (!(await removeIn(tx, caller, user))) throw new AppError('not_found')
      })
    },

    /** Removes the factor and the passkeys of any user, and ends the user's sessions. @throws AppError `not_found` */
    async removeOf(caller: Caller, userId: string): Promise<void> {
      await store.transaction(async (tx) => {
        const user = await tx.users.lock(userId)
        const hadFactor = await removeIn(tx, caller, user)
        const hadPasskeys = await removePasskeys(tx, caller, user)
        if (!hadFactor && !hadPasskeys) throw new AppError('not_found')
        await tx.sessions.endAll(userId)
      })
    },

    /** @throws AppError `not_found` */
    async forgetDevice(caller: Actor, id: string): Promise<void> {
      const { user_id } = caller
      await store.transaction(async (tx) => {
        if (!(await tx.factors.forget(user_id, id))) throw new AppError('not_found')
        await tx.audit.add({ event: 'device.forgotten', caller, user_id })
      })
    },
  }

  /** Returns false if the user has none. */
  async function removeIn(tx: Repositories, caller: Caller, user: User): Promise<boolean> {
    if (!(await tx.factors.remove(user.id))) return false
    await notify(tx, 'factor_removed', user)
    await tx.audit.add({ event: 'factor.removed', caller, user_id: user.id })
    return true
  }

  /** Returns false if the user has none. */
  async function removePasskeys(tx: Repositories, caller: Caller, user: User): Promise<boolean> {
    const removed = await tx.passkeys.removeAll(user.id)
    if (removed === 0) return false
    await notify(tx, 'passkey_removed', user)
    const detail = { removed }
    await tx.audit.add({ event: 'passkey.removed', caller, user_id: user.id, detail })
    return true
  }
}

export type FactorService = ReturnType<typeof createFactorService>

/** Tells the user and the audit log that a factor was added. */
export async function announceAdded(
  tx: Pick<Repositories, 'audit' | 'outbox'>,
  caller: Caller,
  user: User,
): Promise<void> {
  await notify(tx, 'factor_added', user)
  await tx.audit.add({ event: 'factor.added', caller, user_id: user.id })
}

async function notify(
  tx: Pick<Repositories, 'outbox'>,
  message: 'factor_added' | 'factor_removed' | 'passkey_removed',
  user: User,
): Promise<void> {
  const to = addressFor(user)
  if (to) await tx.outbox.put({ message, ...to, user_id: user.id })
}

/** How the authenticator app names the account. */
export const labelOf = ({ email, username, mobile, id }: User): string =>
  email ?? username ?? mobile ?? id
