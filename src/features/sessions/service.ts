import type { Actor, Caller } from '../../http/caller.js'
import type { AuditRepository, NewAuditEntry } from '../audit/repository.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import { createBatcher } from '../../concurrency/batch.js'
import { AppError, invalidField } from '../../errors.js'
import type { DeviceMarks } from '../limits/device.js'
import { judge } from '../limits/guesses.js'
import { rateLimitHeaders } from '../limits/limiter.js'
import type { PasswordHasher } from '../passwords/hash.js'
import type { SessionRepository } from './repository.js'
import { identifierKinds, readIdentifier, type Identifier } from '../identifiers/identifiers.js'
import type { Credential, UserRepository } from '../users/repository.js'
import type { Login, Logins, SessionOpening } from './logins.js'
import { createRenewal, type RenewalDependencies, type RenewalRepositories } from './renewal.js'
import type { LoginBody, Session } from './schemas.js'

type Repositories = RenewalRepositories &
  SessionOpening & {
    audit: Pick<AuditRepository, 'add'>
    sessions: Pick<SessionRepository, 'end' | 'endAll' | 'endOf' | 'list'>
    users: Pick<UserRepository, 'findCredential' | 'findCredentialById' | 'replaceHash'>
  }

type Dependencies = Omit<RenewalDependencies, 'store'> & {
  store: UnitOfWork<Repositories>
  passwords: PasswordHasher
  devices: DeviceMarks
  logins: Logins
}

/** Logging in, staying in, logging out. */
export function createSessionService(dependencies: Dependencies) {
  const { store, passwords, limits, devices, logins } = dependencies

  /** Each its own session. */
  const endTogether = createBatcher(async (callers: Actor[]) => {
    await store.transaction(async (tx) => {
      await tx.sessions.end(...callers.map(({ session_id }) => session_id))
      await tx.audit.add(...callers.map((caller) => noteOf(caller, 1)))
    })
    return callers.map(() => undefined)
  })

  return {
    /**
     * A new session. An unknown user, a wrong password and a disabled account get the same answer
     * in the same time (ASVS 6.3.8); that an account is not activated only its password tells.
     * @throws AppError `invalid_credentials`, `activation_required`, `validation_failed`,
     *   `rate_limited`, `overloaded`, `unavailable`
     */
    async login(body: LoginBody, caller: Caller, mark?: string): Promise<Login> {
      const identifier = theIdentifier(body)
      const found = await store.users.findCredential(identifier)
      const account = found && { id: found.user.id, version: found.password_version }
      const device = account && devices.read(mark, account)
      const { address } = caller
      const attempt = await limits.guesses.login({ identifier, address, device, account })
      const { standing, isBlocked } = attempt

      const login = await judge(attempt, async () => {
        // A blocked guess costs the same, and is checked against no password.
        const hash = isBlocked ? undefined : found?.password_hash
        const { valid, weak } = await passwords.verify(hash, body.password)
        const isRight = valid && found !== undefined && !found.disabled
        const waits = isRight && !found.activated
        const opened = isRight && !waits && (await begin(found, body.password, weak, caller))
        if (opened) return logins.complete(opened)
        const user_id = found?.user.id ?? null
        const detail: Record<string, boolean> = isBlocked ? { blocked: true } : {}
        await store.audit.add({ event: 'login.failed', caller, user_id, detail })
        if (waits) throw new AppError('activation_required')
        return undefined
      })
      if (login) return login
      const headers = standing && rateLimitHeaders(standing)
      throw new AppError('invalid_credentials', headers && { headers })
    },

    ...createRenewal(dependencies),

    /** Ends this session, or all of the user's: the tokens are dead when this returns. */
    async logout(caller: Actor, everywhere: boolean): Promise<void> {
      if (!everywhere) return endTogether(caller)
      await end(caller, async (tx) => {
        const count = await tx.sessions.endAll(caller.user_id)
        await tx.sessions.end(caller.session_id)
        return Math.max(1, count)
      })
    },

    /** Where the user is logged in. */
    async list({ user_id, session_id }: Actor): Promise<Session[]> {
      const found = await store.sessions.list(user_id)
      return found.map((session) => ({ ...session, current: session.id === session_id }))
    },

    /** @throws AppError `not_found` where the user has no such session */
    async endOne(caller: Actor, id: string): Promise<void> {
      await end(caller, async (tx) => {
        if (!(await tx.sessions.endOf(caller.user_id, id))) throw new AppError('not_found')
        return 1
      })
    },

    /** Ends every session of the user, or every other one; how many. */
    endAll: (caller: Actor, keepsThis: boolean): Promise<number> =>
      end(caller, (tx) => tx.sessions.endAll(caller.user_id, keepsThis ? caller.session_id : null)),
  }

  /** Undefined where the account was disabled, or its password changed, while it was being verified. */
  async function begin(
    found: Credential,
    password: string,
    weak: boolean,
    caller: Caller,
    tries = 2,
  ) {
    const password_hash = weak ? await strengthen(found, password) : (found.password_hash ?? '')
    const opened = await store.transaction((tx) =>
      logins.open(tx, { ...found, password_hash }, caller),
    )
    if (opened || tries === 1) return opened
    // Another login may have strengthened the hash meanwhile: then the new one decides.
    const now = await store.users.findCredentialById(found.user.id)
    const again = await passwords.verify(now?.password_hash, password)
    if (!now || !again.valid) return undefined
    return begin(now, password, again.weak, caller, tries - 1)
  }

  /** Hashes again what was hashed more cheaply; the hash that is stored now. */
  async function strengthen(
    { user, password_hash }: Credential,
    password: string,
  ): Promise<string> {
    const oldHash = password_hash ?? ''
    const newHash = await passwords.hash(password).catch(() => undefined)
    if (newHash === undefined) return oldHash // too busy: the next login does it
    return (await store.users.replaceHash(user.id, oldHash, newHash)) ? newHash : oldHash
  }

  async function end(caller: Actor, work: (tx: Repositories) => Promise<number>): Promise<number> {
    return store.transaction(async (tx) => {
      const ended = await work(tx)
      await tx.audit.add(noteOf(caller, ended))
      return ended
    })
  }

  function noteOf(caller: Actor, ended: number): NewAuditEntry {
    const { user_id } = caller
    return { event: 'session.ended', caller, user_id, detail: { ended } }
  }
}

export type SessionService = ReturnType<typeof createSessionService>

function theIdentifier(body: LoginBody): Identifier {
  const [kind, second] = identifierKinds.filter((name) => body[name] !== undefined)
  if (kind === undefined)
    throw invalidField('email', 'is required, or a username, or a mobile number')
  if (second !== undefined) throw invalidField(second, 'is one identifier too many')
  return readIdentifier(kind, body[kind] ?? '')
}
