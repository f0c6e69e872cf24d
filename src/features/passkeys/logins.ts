import type { Caller } from '../../http/caller.js'
import { hashSecret } from '../../crypto/secrets.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import { AppError } from '../../errors.js'
import type { Challenge } from '../factors/challenges-repository.js'
import type { FactorMode } from '../factors/policy.js'
import type { FactorRepository } from '../factors/repository.js'
import type { IdentityRepository } from '../identities/repository.js'
import type { Limits } from '../limits/limits.js'
import type { LoginOutcome, Logins, SessionOpening } from '../sessions/logins.js'
import type { UserRepository } from '../users/repository.js'
import type { Answer, Ceremonies, RelyingParty } from './ceremonies.js'
import { challengeLifetime, type PasskeyChallenges } from './challenges.js'
import type { PasskeyRepository, StoredPasskey } from './repository.js'
import type { Assertion, PasskeyLoginBody, RequestOptions } from './schemas.js'

type Repositories = SessionOpening & {
  factors: Pick<FactorRepository, 'endChallenge' | 'findChallenge' | 'lockOwner' | 'tryChallenge'>
  identities: Pick<IdentityRepository, 'spend'>
  passkeys: Pick<PasskeyRepository, 'find' | 'has' | 'listDescriptors' | 'markUsed'>
  users: Pick<UserRepository, 'findCredentialById'>
}

type Dependencies = {
  store: UnitOfWork<Repositories>
  logins: Logins
  limits: Limits
  rp: RelyingParty
  challenges: PasskeyChallenges
  ceremonies: Ceremonies
  mode: FactorMode
}

/** What a transaction found. It commits in any case, so that a challenge stays used. */
type Opened = Awaited<ReturnType<Logins['open']>>
type Outcome =
  { opened: NonNullable<Opened> } | { refused: 'sign_count' | 'account' | 'activation' }

/** Logs in by a passkey: without a username, or as the second factor after a password. */
export function createPasskeyLogins(dependencies: Dependencies) {
  const { store, logins, limits, rp, challenges, ceremonies, mode } = dependencies

  return {
    /**
     * What the browser needs to ask for a passkey. Stores nothing.
     * @param challenge of a login that waits for its second factor
     * @throws AppError `invalid_state` if that is not valid, or no passkey completes it, `rate_limited`
     */
    async begin(challenge: string | undefined, caller: Caller): Promise<RequestOptions> {
      if (challenge === undefined) {
        // Asked for where a second factor is required, because only then the passkey is both.
        const userVerification = mode === 'required' ? 'required' : 'preferred'
        return requestOptions(challenges.make('login'), [], userVerification)
      }
      const hash = hashSecret(challenge)
      const found = await store.factors.findChallenge(hash, bindingOf(caller))
      if (!found || !takesPasskey(found)) return refuse(caller)
      const passkeys = await store.passkeys.listDescriptors(found.user_id)
      if (passkeys.length === 0) throw new AppError('invalid_state')
      return requestOptions(
        challenges.make('second', scopeOf(hash)),
        passkeys.map(({ credential_id, transports }) => ({
          type: 'public-key' as const,
          id: credential_id.toString('base64url'),
          transports,
        })),
        'preferred',
      )
    },

    /**
     * Opens a session by a passkey. It is both factors if the authenticator has verified its user.
     * @throws AppError `invalid_passkey`, `activation_required`, `user_verification_required`,
     *   and `invalid_state` for a challenge that is not valid
     */
    logIn: (body: PasskeyLoginBody, caller: Caller): Promise<LoginOutcome> =>
      body.challenge === undefined
        ? logInAlone(body.credential, caller)
        : complete(body.credential, body.challenge, caller),
  }

  async function logInAlone(credential: Assertion, caller: Caller): Promise<LoginOutcome> {
    const passkey = await store.passkeys.find(idOf(credential))
    if (!passkey || !isOf(credential, passkey)) return fail(caller, passkey, 'unknown')
    const answer = await ceremonies
      .readAnswer(credential, passkey, { purpose: 'login' })
      .catch((error: unknown) => failWith(error, caller, passkey))
    const { challenge } = answer
    const outcome = await store.transaction(async (tx): Promise<Outcome> => {
      await tx.factors.lockOwner(passkey.user_id)
      if (!(await tx.identities.spend(challenge.id, challenge.expires_at))) {
        throw new AppError('invalid_passkey')
      }
      if (!(await markUsed(tx, passkey, answer))) return { refused: 'sign_count' }
      const owner = await tx.users.findCredentialById(passkey.user_id)
      if (!owner || owner.disabled) return { refused: 'account' }
      if (!owner.activated) return { refused: 'activation' }
      const opened = await logins.open(tx, owner, caller, {
        amr: methodsOf(passkey, answer.isVerified),
        detail: { passkey: passkey.id },
        ...(answer.isVerified && { second: 'passkey' }),
      })
      return opened ? { opened } : { refused: 'account' }
    })
    return finish(outcome, passkey, caller)
  }

  async function complete(
    credential: Assertion,
    challenge: string,
    caller: Caller,
  ): Promise<LoginOutcome> {
    const hash = hashSecret(challenge)
    const found = await store.factors.tryChallenge(hash, bindingOf(caller))
    if (!found || !takesPasskey(found)) throw new AppError('invalid_state')
    const { user_id } = found
    const passkey = await store.passkeys.find(idOf(credential))
    const isOwn = passkey?.user_id === user_id
    const expected = { purpose: 'second' as const, scope: scopeOf(hash) }
    const answer = isOwn
      ? await ceremonies.readAnswer(credential, passkey, expected).catch(() => undefined)
      : undefined
    if (!isOwn || !answer) {
      await store.audit.add({ event: 'factor.refused', caller, user_id })
      throw new AppError('invalid_passkey')
    }
    const outcome = await store.transaction(async (tx): Promise<Outcome> => {
      await tx.factors.lockOwner(user_id)
      const owner = await tx.users.findCredentialById(user_id)
      if (owner?.password_version !== found.password_version) throw new AppError('invalid_state')
      if (!(await tx.factors.endChallenge(hash))) throw new AppError('invalid_state')
      if (!(await markUsed(tx, passkey, answer))) return { refused: 'sign_count' }
      const opened = await logins.open(tx, owner, caller, {
        amr: [...(found.amr ?? []), ...methodsOf(passkey, true)],
        detail: { ...found.detail, passkey: passkey.id },
        second: 'passkey',
      })
      return opened ? { opened } : { refused: 'account' }
    })
    return finish(outcome, passkey, caller)
  }

  async function finish(
    outcome: Outcome,
    passkey: StoredPasskey,
    caller: Caller,
  ): Promise<LoginOutcome> {
    if ('opened' in outcome) return logins.complete(outcome.opened)
    if (outcome.refused === 'sign_count') {
      const { id, user_id } = passkey
      const detail = { passkey: id, reason: 'sign_count' }
      await store.audit.add({ event: 'passkey.refused', caller, user_id, detail })
      throw new AppError('invalid_passkey')
    }
    await auditFailure(caller, passkey, outcome.refused)
    const isInactive = outcome.refused === 'activation'
    throw new AppError(isInactive ? 'activation_required' : 'invalid_passkey')
  }

  function requestOptions(
    challenge: string,
    allowCredentials: RequestOptions['allowCredentials'],
    userVerification: RequestOptions['userVerification'],
  ): RequestOptions {
    const timeout = challengeLifetime * 1_000
    return { challenge, timeout, rpId: rp.id, allowCredentials, userVerification }
  }

  /** An unknown challenge may be a guess, so it counts as a failed login of the network. */
  async function refuse(caller: Caller): Promise<never> {
    await limits.countFailure('login', caller)
    throw new AppError('invalid_state')
  }

  async function failWith(error: unknown, caller: Caller, passkey: StoredPasskey): Promise<never> {
    await auditFailure(caller, passkey, 'answer')
    throw error
  }

  async function fail(
    caller: Caller,
    passkey: StoredPasskey | undefined,
    reason: string,
  ): Promise<never> {
    await auditFailure(caller, passkey, reason)
    throw new AppError('invalid_passkey')
  }

  async function auditFailure(
    caller: Caller,
    passkey: StoredPasskey | undefined,
    reason: string,
  ): Promise<void> {
    const user_id = passkey?.user_id ?? null
    const detail = { ...(passkey && { passkey: passkey.id }), reason }
    await store.audit.add({ event: 'login.failed', caller, user_id, detail })
  }
}

export type PasskeyLogins = ReturnType<typeof createPasskeyLogins>

/** A passkey does not complete a login that began with one: it would be the same factor twice. */
const takesPasskey = ({ is_enrolment, amr }: Challenge): boolean =>
  !is_enrolment && !amr?.includes('user')

const markUsed = (
  { passkeys }: { passkeys: Pick<PasskeyRepository, 'markUsed'> },
  { id }: StoredPasskey,
  { sign_count, backed_up }: Answer,
): Promise<boolean> => passkeys.markUsed(id, sign_count, backed_up)

/**
 * RFC 8176: the key is in hardware, or its provider copies it to other devices; the user touched it; and both factors
 * were given.
 */
const methodsOf = ({ backup_eligible }: StoredPasskey, isBoth: boolean): string[] => [
  backup_eligible ? 'swk' : 'hwk',
  'user',
  ...(isBoth ? ['mfa'] : []),
]

const idOf = ({ id }: Assertion): Buffer => Buffer.from(id, 'base64url')

/** WebAuthn §7.2, step 6: without a username, the passkey names its user. */
const isOf = ({ response }: Assertion, { user_id }: StoredPasskey): boolean =>
  response.userHandle === handleOf(user_id)

/** The user handle: the bytes of the id. It has no data of the person (WebAuthn §14.6.1). */
export const handleOf = (userId: string): string =>
  Buffer.from(userId.replaceAll('-', ''), 'hex').toString('base64url')

const scopeOf = (hash: Buffer): string => hash.toString('base64url')

/** The hash of the cookie that binds a challenge to a browser. */
const bindingOf = ({ marks }: Caller): Buffer | null =>
  marks?.binding === undefined ? null : hashSecret(marks.binding)
