import type { Caller } from '../../http/caller.js'
import { AppError } from '../../errors.js'
import { hashSecret, newSecret } from '../../crypto/secrets.js'
import type { AuditRepository } from '../audit/repository.js'
import { needsFactor, type FactorMode } from '../factors/policy.js'
import type { FactorRepository } from '../factors/repository.js'
import type { Second } from '../factors/secrets.js'
import type { TokenSubject, TokenPair, TokenService } from '../tokens/service.js'
import type { Credential } from '../users/credential-repository.js'
import type { User } from '../users/schemas.js'
import type { DeviceMarks } from '../limits/device.js'
import { deviceOf, isSameBrowser } from '../limits/known-devices.js'
import type { LoginNoticeRepository } from '../login-notices/repository.js'
import type { OutboxRepository } from '../messages/repository.js'
import { addressFor } from '../users/addresses.js'
import type { SessionRepository } from './repository.js'

type Options = {
  tokens: TokenService
  devices: DeviceMarks
  newId: () => string
  /** How long a session lives, in seconds. */
  refreshTtl: number
  /** The most sessions that a user may have. */
  sessionsPerUser: number
  /** MFA. */
  mode: FactorMode
}

/** Passkeys import sessions, so sessions know only this of them. */
type PasskeySearch = {
  /** Whether the user has one. */
  has: (userId: string) => Promise<boolean>
}

/** The repositories that open a session. */
export type SessionOpening = {
  audit: Pick<AuditRepository, 'add'>
  factors: Pick<FactorRepository, 'findTrusted' | 'putChallenge'>
  loginNotices: Pick<LoginNoticeRepository, 'add'>
  outbox: Pick<OutboxRepository, 'put'>
  passkeys: PasskeySearch
  sessions: Pick<SessionRepository, 'create'>
}

/** A user whose password or social login was verified, with the hash of the present password. */
type VerifiedUser = Pick<Credential, 'user' | 'password_hash' | 'password_version' | 'has_factor'>

/**
 * How the user proved who they are, as registered for the claim `amr` (RFC 8176); null where no registered value
 * says it. `auth_time`: when, if it was not now. `detail` goes to the audit log. `second` is how the second factor was
 * given.
 */
type Proof = {
  amr?: string[] | null
  auth_time?: string | null
  detail?: Record<string, string>
  second?: Second
}

/** A new session, or a login that waits for the second factor. Both are valid once the transaction commits. */
type OpenedLogin = { subject: TokenSubject; owner: VerifiedUser } | { pending: PendingLogin }

/** A completed login. `device` is a mark by which the device is recognised at its next login. */
export type Login = { tokens: TokenPair; user: User; session_id: string; device: string }

/** What a user may do to complete a login. */
export type FactorMethod = 'totp' | 'recovery_code' | 'passkey' | 'enrol_totp'

/** A login that waits for the second factor. `binding` is for a cookie; only a browser has one. */
export type PendingLogin = {
  challenge: string
  methods: FactorMethod[]
  binding: string | undefined
}

/** complete-login.ts turns both into the reply. */
export type LoginOutcome = Login | { pending: PendingLogin }

/** How long a login waits for the second factor, in seconds. */
export const challengeTtl = 300

/** How long the link of a notice works, in seconds. */
const noticeTtl = 7 * 86_400

/** Opens the session of every login, by password or by a social provider, and decides what it needs. */
export function createLogins(options: Options) {
  const { tokens, devices, newId, refreshTtl, sessionsPerUser, mode } = options

  return {
    /**
     * Opens a session, and ends the user's oldest ones above the maximum. If the login needs a second factor, it
     * makes a challenge instead. Returns undefined if the account was disabled, its password changed or a factor
     * was added since the user was read.
     * @throws AppError `user_verification_required`
     */
    async open(
      tx: SessionOpening,
      owner: VerifiedUser,
      caller: Caller,
      { amr = null, auth_time = null, detail = {}, second }: Proof = {},
    ): Promise<OpenedLogin | undefined> {
      const given = second ?? (await findTrust(tx, owner, caller))
      if (given === undefined && isIncomplete(owner)) {
        return { pending: await challenge(tx, owner, caller, { amr, detail }) }
      }
      const { user_agent, address } = caller
      const { id: user_id } = owner.user
      const id = newId()
      const { password_hash } = owner
      const keep = sessionsPerUser - 1
      // A user who logs in again in the same browser continues the login, so that one logout ends both.
      const joined_id = caller.user_id === user_id ? caller.session_id : null
      const session = { id, user_id, password_hash, ttl: refreshTtl, user_agent, address, keep }
      const has_factor = given !== undefined
      const account = { id: user_id, version: owner.password_version }
      const is_known = devices.read(caller.marks?.device, account) !== undefined
      const created = await tx.sessions.create({
        ...session,
        ...{ amr, auth_time, joined_id, has_factor, is_known, device: deviceOf(caller) },
      })
      if (!created) return undefined
      const { subject, ended, is_news } = created
      const entry = { caller: { ...caller, user_id, session_id: id }, user_id }
      const event = 'login.succeeded'
      const factor: Record<string, string> = given === undefined ? {} : { second_factor: given }
      await tx.audit.add({ event, ...entry, detail: { session: id, ...detail, ...factor } })
      if (ended > 0) {
        const why = { ended, most: sessionsPerUser }
        await tx.audit.add({ event: 'session.ended', ...entry, detail: why })
      }
      // A token of the old app is no new login.
      if (is_news && auth_time === null)
        await announce(tx, owner.user, { id, user_id, user_agent, address })
      return { subject, owner }
    },

    /** Issues the tokens. Call it after the commit, so that no connection waits for the signatures. */
    complete(opened: OpenedLogin): LoginOutcome {
      if ('pending' in opened) return opened
      const { subject, owner } = opened
      const { user, password_version: version } = owner
      return {
        tokens: tokens.issue(subject),
        session_id: subject.session_id,
        // The roles may have changed since the user was read.
        user: { ...user, roles: subject.roles },
        device: devices.make({ id: user.id, version }),
      }
    },
  }

  /** Tells a verified address of the user, if there is one. */
  async function announce(
    tx: SessionOpening,
    user: User,
    login: Parameters<LoginNoticeRepository['add']>[0],
  ): Promise<void> {
    const to = addressFor(user)
    if (!to || !user[`${to.kind}_verified`]) return
    await tx.loginNotices.add(login, noticeTtl)
    await tx.outbox.put({ message: 'new_login', ...to, user_id: user.id, login_id: login.id })
  }

  function isIncomplete({ has_factor, user }: VerifiedUser): boolean {
    return has_factor || needsFactor(mode, user.roles)
  }

  /** A trusted device stands for the second factor. It says nothing in `amr`, so it is no step-up. */
  async function findTrust(
    tx: SessionOpening,
    { has_factor, user }: VerifiedUser,
    { marks, user_agent }: Caller,
  ): Promise<Second | undefined> {
    if (!has_factor || marks?.trusted === undefined) return undefined
    const found = await tx.factors.findTrusted(user.id, hashSecret(marks.trusted))
    return found && isSameBrowser(found.user_agent, user_agent) ? 'trusted' : undefined
  }

  async function challenge(
    tx: SessionOpening,
    { has_factor, user, password_version }: VerifiedUser,
    { marks }: Caller,
    { amr, detail }: Required<Pick<Proof, 'amr' | 'detail'>>,
  ): Promise<PendingLogin> {
    const methods = await methodsFor(tx, { has_factor, user }, amr)
    const token = newSecret()
    const binding = marks?.isBrowser ? newSecret() : undefined
    await tx.factors.putChallenge({
      token_hash: hashSecret(token),
      user_id: user.id,
      password_version,
      is_enrolment: methods.includes('enrol_totp'),
      binding_hash: binding === undefined ? null : hashSecret(binding),
      amr,
      detail,
      ttl: challengeTtl,
    })
    return { challenge: token, methods, binding }
  }
}

/** Only a user who has no factor may add one in a login: else the password alone would be enough. */
async function methodsFor(
  { passkeys }: Pick<SessionOpening, 'passkeys'>,
  { has_factor, user }: Pick<VerifiedUser, 'has_factor' | 'user'>,
  amr: string[] | null,
): Promise<FactorMethod[]> {
  const hasPasskey = await passkeys.has(user.id)
  // The same passkey again is no second factor.
  const isFirst = amr?.includes('user') === true
  if (!has_factor && hasPasskey && isFirst) throw new AppError('user_verification_required')
  if (!has_factor && !hasPasskey) return ['enrol_totp']
  const codes: FactorMethod[] = has_factor ? ['totp', 'recovery_code'] : []
  return [...codes, ...(hasPasskey && !isFirst ? (['passkey'] as const) : [])]
}

export type Logins = ReturnType<typeof createLogins>
