import type { Caller } from '../../http/caller.js'
import { hashSecret, newSecret } from '../../crypto/secrets.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import { AppError } from '../../errors.js'
import type { Challenge } from '../factors/challenges-repository.js'
import type { FactorRepository } from '../factors/repository.js'
import type { Enrolment } from '../factors/schemas.js'
import type { FactorSecrets, Second } from '../factors/secrets.js'
import { checkGuess } from '../limits/guesses.js'
import type { Limits } from '../limits/limits.js'
import type { OutboxRepository } from '../messages/repository.js'
import { addressFor } from '../users/addresses.js'
import type { User } from '../users/schemas.js'
import type { UserRepository } from '../users/repository.js'
import type { Login, Logins, SessionOpening } from './logins.js'
import type { SessionRepository } from './repository.js'
import type { VerifyBody } from './schemas.js'

export type SecondFactorRepositories = SessionOpening & {
  factors: FactorRepository
  outbox: Pick<OutboxRepository, 'put'>
  sessions: Pick<SessionRepository, 'create' | 'endAll'>
  users: Pick<UserRepository, 'findCredentialById'>
}

type Dependencies = {
  store: UnitOfWork<SecondFactorRepositories>
  secrets: FactorSecrets
  logins: Logins
  limits: Limits
  newId: () => string
  /** Names an account to its authenticator app. */
  labelOf: (user: User) => string
}

/** A login that was completed by a second factor. */
export type VerifiedLogin = {
  login: Login
  /** Shown once, if the login added the factor. */
  recovery_codes?: string[]
  /** A secret for the cookie of a trusted device. */
  trusted?: string
}

/** How long a device is trusted, in seconds. */
export const trustTtl = 30 * 86_400

/** Completes logins that wait for a second factor. */
export function createSecondFactor(dependencies: Dependencies) {
  const { store, secrets, logins, limits, newId, labelOf } = dependencies

  return {
    /**
     * Completes a login by a code. Each try counts for the challenge, and each wrong code for the account.
     * @throws AppError `invalid_state` if the challenge is unknown, expired, used up or of another browser,
     *   `invalid_code`, `rate_limited`
     */
    async verify({ challenge, code, trust }: VerifyBody, caller: Caller): Promise<VerifiedLogin> {
      const hash = hashSecret(challenge)
      const found = await store.factors.tryChallenge(hash, bindingOf(caller))
      if (!found) return refuse(caller)
      const { user_id } = found
      const attempt = await limits.guesses.factor(user_id)
      const verified = await checkGuess(attempt, () => logIn(hash, found, code, trust, caller))
      if (verified) return verified
      await store.audit.add({ event: 'factor.refused', caller, user_id })
      throw new AppError('invalid_code')
    },

    /**
     * Makes the secret of an authenticator app for a user who must add one to log in.
     * @throws AppError `invalid_state`, also if the user has a factor, `rate_limited`
     */
    async enrol(challenge: string, caller: Caller): Promise<Enrolment> {
      const found = await store.factors.findChallenge(hashSecret(challenge), bindingOf(caller))
      if (!found?.is_enrolment) return refuse(caller)
      const owner = await store.users.findCredentialById(found.user_id)
      if (!owner || owner.has_factor || (await store.passkeys.has(found.user_id))) {
        throw new AppError('invalid_state')
      }
      return secrets.enrol(store, found.user_id, labelOf(owner.user))
    },
  }

  /** An unknown challenge may be a guess, so it counts as a failed login of the network. */
  async function refuse(caller: Caller): Promise<never> {
    await limits.countFailure('login', caller)
    throw new AppError('invalid_state')
  }

  /** Returns undefined if the code is wrong. */
  async function logIn(
    hash: Buffer,
    found: Challenge,
    code: string,
    trust: boolean | undefined,
    caller: Caller,
  ): Promise<VerifiedLogin | undefined> {
    const { user_id, amr, detail } = found
    const done = await store.transaction(async (tx) => {
      await tx.factors.lockOwner(user_id)
      const owner = await tx.users.findCredentialById(user_id)
      if (owner?.password_version !== found.password_version) throw new AppError('invalid_state')
      // Another login may have added a factor meanwhile.
      const hasAdded = found.is_enrolment && (await tx.passkeys.has(user_id))
      if (owner.has_factor === found.is_enrolment || hasAdded) throw new AppError('invalid_state')
      const recovery_codes = found.is_enrolment
        ? await secrets.confirm(tx, user_id, code)
        : undefined
      const second: Second | undefined = found.is_enrolment
        ? recovery_codes && 'totp'
        : await secrets.spend(tx, user_id, code)
      if (!second) return undefined
      if (!(await tx.factors.endChallenge(hash))) throw new AppError('invalid_state')
      // Sessions without the factor are from before it was required.
      if (recovery_codes) await tx.sessions.endAll(user_id)
      const opened = await logins.open(tx, owner, caller, {
        amr: [...(amr ?? []), ...(second === 'totp' ? ['otp'] : []), 'mfa'],
        detail,
        second,
      })
      if (!opened) throw new AppError('invalid_state')
      await notify(tx, owner.user, caller, second, recovery_codes !== undefined)
      const trusted = trust ? await trustDevice(tx, user_id, caller) : undefined
      return { opened, recovery_codes, trusted }
    })
    if (!done) return undefined
    const login = logins.complete(done.opened)
    if ('pending' in login) throw new AppError('invalid_state')
    const { recovery_codes, trusted } = done
    return {
      login,
      ...(recovery_codes && { recovery_codes }),
      ...(trusted !== undefined && { trusted }),
    }
  }

  async function notify(
    tx: SecondFactorRepositories,
    user: User,
    caller: Caller,
    second: Second,
    isNew: boolean,
  ): Promise<void> {
    if (isNew) await tx.audit.add({ event: 'factor.added', caller, user_id: user.id })
    if (!isNew && second !== 'recovery') return
    const message = isNew ? 'factor_added' : 'recovery_code_used'
    const to = addressFor(user)
    if (to) await tx.outbox.put({ message, ...to, user_id: user.id })
  }

  async function trustDevice(
    { audit, factors }: SecondFactorRepositories,
    user_id: string,
    caller: Caller,
  ): Promise<string> {
    const secret = newSecret()
    const device = { id: newId(), user_id, token_hash: hashSecret(secret), ttl: trustTtl }
    await factors.trust({ ...device, user_agent: caller.user_agent })
    await audit.add({ event: 'device.trusted', caller, user_id })
    return secret
  }
}

export type SecondFactor = ReturnType<typeof createSecondFactor>

/** The hash of the cookie that binds a challenge to a browser. */
const bindingOf = ({ marks }: Caller): Buffer | null =>
  marks?.binding === undefined ? null : hashSecret(marks.binding)
