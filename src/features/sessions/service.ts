import type { Actor, Caller } from '../../http/caller.js'
import type { AuditRepository, NewAuditEntry } from '../audit/repository.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import { createBatcher } from '../../concurrency/batch.js'
import { AppError, invalidField } from '../../errors.js'
import type { DeviceMarks } from '../limits/device.js'
import { checkGuess } from '../limits/guesses.js'
import { rateLimitHeaders } from '../limits/limiter.js'
import type { FailureDelay } from '../passwords/failure-delay.js'
import type { PasswordHasher } from '../passwords/hash.js'
import type { SessionRepository } from './repository.js'
import {
  identifierKinds,
  readAnyIdentifier,
  readIdentifier,
  type Identifier,
} from '../identifiers/identifiers.js'
import type { Credential } from '../users/credential-repository.js'
import type { UserRepository } from '../users/repository.js'
import type { LoginOutcome, Logins, SessionOpening } from './logins.js'
import { createRenewal, type RenewalDependencies, type RenewalRepositories } from './renewal.js'
import type { LoginBody, Session } from './schemas.js'

type Repositories = RenewalRepositories &
  SessionOpening & {
    audit: Pick<AuditRepository, 'add' | 'addition'>
    sessions: Pick<SessionRepository, 'end' | 'endAll' | 'endOf' | 'endWithEntries' | 'list'>
    users: Pick<UserRepository, 'findCredential' | 'findCredentialById' | 'replaceHash'>
  }

type Dependencies = Omit<RenewalDependencies, 'store'> & {
  store: UnitOfWork<Repositories>
  passwords: PasswordHasher
  failureDelay: FailureDelay
  devices: DeviceMarks
  logins: Logins
}

/** Login, refresh, logout, and the sessions of a user: to list and to end them. */
export function createSessionService(dependencies: Dependencies) {
  const { store, passwords, failureDelay, limits, devices, logins } = dependencies

  /** Ends the session of each caller, many in one statement. */
  const endTogether = createBatcher(async (callers: Actor[]) => {
    const ids = callers.map(({ session_id }) => session_id)
    const entries = store.audit.addition(callers.map((caller) => endedEntry(caller, 1)))
    await store.sessions.endWithEntries(ids, entries)
    return callers.map(() => undefined)
  })

  return {
    /**
     * Logs in with an identifier and a password. An unknown user, a wrong password and a disabled account
     * get the same answer in the same time (ASVS 6.3.8). Only the right password reveals that an account
     * is not activated. A login that needs a second factor is pending: complete-login.ts answers both.
     * @throws AppError `invalid_credentials`, `activation_required`, `validation_failed`,
     *   `rate_limited`, `overloaded`, `unavailable`
     */
    async login(body: LoginBody, caller: Caller): Promise<LoginOutcome> {
      const identifier = readOneIdentifier(body)
      // Before the first statement, so that a flood of logins costs the database nothing.
      const tried = await passwords.admit(() => logIn(identifier, body.password, caller))
      if (tried.login) return tried.login
      // The lane is free, and so is the place in its queue.
      await failureDelay.wait(tried.elapsed)
      throw tried.failure
    },

    ...createRenewal(dependencies),

    /** Ends this session, or all of the user's. Their tokens are refused when this returns. */
    async logout(caller: Actor, everywhere: boolean): Promise<void> {
      if (!everywhere) return endTogether(caller)
      await endWithAudit(caller, async (tx) => {
        const count = await tx.sessions.endAll(caller.user_id)
        await tx.sessions.end(caller.session_id)
        return Math.max(1, count)
      })
    },

    /** Lists the user's logins. */
    list({ user_id, session_id }: Actor): Promise<Session[]> {
      return store.sessions.list(user_id, session_id)
    },

    /**
     * Ends the login of a session. Returns whether the caller's session belonged to it.
     * @throws AppError `not_found` if the user has no such session
     */
    async endOne(caller: Actor, id: string): Promise<boolean> {
      let ended: string[] = []
      await endWithAudit(caller, async (tx) => {
        ended = await tx.sessions.endOf(caller.user_id, id)
        if (ended.length === 0) throw new AppError('not_found')
        return 1
      })
      return ended.includes(caller.session_id)
    },

    /** Ends all sessions of the user, or all but this one. Returns how many it ended. */
    endAll: (caller: Actor, keepsThis: boolean): Promise<number> =>
      endWithAudit(caller, (tx) =>
        tx.sessions.endAll(caller.user_id, keepsThis ? caller.session_id : null),
      ),
  }

  async function logIn(
    identifier: Identifier,
    password: string,
    caller: Caller,
  ): Promise<{ login: LoginOutcome } | { login?: undefined; failure: AppError; elapsed: number }> {
    const found = await store.users.findCredential(identifier)
    const account = found && { id: found.user.id, version: found.password_version }
    const device = account && devices.read(caller.marks?.device, account)
    const { address, site } = caller
    const attempt = await limits.guesses.login({ identifier, address, site, device, account })
    const { status, isBlocked } = attempt
    let elapsed = 0

    const login = await checkGuess(attempt, async () => {
      // A blocked guess is hashed too, so it takes as long, but no password matches.
      const hash = isBlocked ? undefined : found?.password_hash
      const { valid, needsRehash, ...verified } = await passwords.verify(hash, password)
      elapsed = verified.elapsed
      const isRight = valid && found !== undefined && !found.disabled
      const isInactive = isRight && !found.activated
      const opened =
        isRight && !isInactive && (await openSession(found, password, needsRehash, caller))
      if (opened) return logins.complete(opened)
      const user_id = found?.user.id ?? null
      const detail: Record<string, boolean> = isBlocked ? { blocked: true } : {}
      await store.audit.add({ event: 'login.failed', caller, user_id, detail })
      if (isInactive) throw new AppError('activation_required')
      return undefined
    })
    if (login) return { login }
    const headers = status && rateLimitHeaders(status)
    return { failure: new AppError('invalid_credentials', headers && { headers }), elapsed }
  }

  /** Returns undefined if the account was disabled, or its password changed, after it was verified. */
  async function openSession(
    found: Credential,
    password: string,
    weak: boolean,
    caller: Caller,
    tries = 2,
  ) {
    const password_hash = weak ? await rehash(found, password) : (found.password_hash ?? '')
    const opened = await store.transaction((tx) =>
      logins.open(tx, { ...found, password_hash }, caller, { amr: ['pwd'] }),
    )
    if (opened || tries === 1) return opened
    // A parallel login may have replaced the weak hash. Then the password is verified with the new hash.
    const now = await store.users.findCredentialById(found.user.id)
    const again = await passwords.verify(now?.password_hash, password)
    if (!now || !again.valid) return undefined
    return openSession(now, password, again.needsRehash, caller, tries - 1)
  }

  /** Replaces a hash that has too low a cost. Returns the hash that is stored now. */
  async function rehash({ user, password_hash }: Credential, password: string): Promise<string> {
    const oldHash = password_hash ?? ''
    const newHash = await passwords.hash(password).catch(() => undefined)
    if (newHash === undefined) return oldHash // too busy; the next login tries again
    return (await store.users.replaceHash(user.id, oldHash, newHash)) ? newHash : oldHash
  }

  async function endWithAudit(
    caller: Actor,
    work: (tx: Repositories) => Promise<number>,
  ): Promise<number> {
    return store.transaction(async (tx) => {
      const ended = await work(tx)
      await tx.audit.add(endedEntry(caller, ended))
      return ended
    })
  }

  function endedEntry(caller: Actor, ended: number): NewAuditEntry {
    const { user_id } = caller
    return { event: 'session.ended', caller, user_id, detail: { ended } }
  }
}

export type SessionService = ReturnType<typeof createSessionService>

function readOneIdentifier(body: LoginBody): Identifier {
  const [name, second] = (['identifier', ...identifierKinds] as const).filter(
    (name) => body[name] !== undefined,
  )
  if (name === undefined)
    throw invalidField('identifier', 'is required unless email, username or mobile is given')
  if (second !== undefined) throw invalidField(second, 'must not be given with another identifier')
  const typed = body[name] ?? ''
  return name === 'identifier' ? readAnyIdentifier(typed) : readIdentifier(name, typed)
}
