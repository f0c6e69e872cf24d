import type { FastifyBaseLogger } from 'fastify'
import type { Caller } from '../audit/caller.js'
import { AppError, invalidField } from '../errors.js'
import type { DeviceMarks } from '../limits/device.js'
import { keyOf, type Limits } from '../limits/limits.js'
import type { PasswordHasher } from '../passwords/hash.js'
import type { Store, Transaction } from '../store.js'
import type { Grant, TokenPair, TokenService } from '../tokens/service.js'
import { identifierKinds, readIdentifier, type Identifier } from '../users/identifiers.js'
import type { Credential } from '../users/repository.js'
import type { User } from '../users/schemas.js'
import type { LoginBody, Session } from './schemas.js'
import type { Usage } from './usage.js'

type Dependencies = {
  store: Store
  passwords: PasswordHasher
  tokens: TokenService
  limits: Limits
  devices: DeviceMarks
  log: FastifyBaseLogger
  newId: () => string
  usage: Usage
  /** Both in seconds. */
  refreshTtl: number
  grace: number
  /** Most sessions that a user may have. */
  most: number
}

/** `device` marks where the login came from, for the next one. */
export type Login = TokenPair & { user: User; device: string }

export type Resumed = { tokens: TokenPair; user_id: string; session_id: string }

/** Logging in, staying in, logging out. */
export function createSessionService(dependencies: Dependencies) {
  const { store, passwords, tokens, limits, devices, log, newId, usage } = dependencies
  const { refreshTtl, grace, most } = dependencies

  return {
    /**
     * A new session. An unknown user, a wrong password and a disabled account get the same answer
     * in the same time (ASVS 6.3.8); that an account is not activated only its password tells.
     * @throws AppError `invalid_credentials`, `activation_required`, `validation_failed`,
     *   `rate_limited`, `overloaded`
     */
    async login(body: LoginBody, caller: Caller, mark?: string): Promise<Login> {
      const identifier = theIdentifier(body)
      const found = await store.users.findCredential(identifier)
      const account = found?.user.id ?? keyOf(identifier.canonical)
      const device = devices.read(mark, account)
      const budget = device ? `device:${device}` : `account:${account}`
      await limits.guesses.admit(budget)

      const { valid, weak } = await passwords.verify(found?.password_hash, body.password)
      const isRight = valid && found !== undefined && !found.disabled
      const grant = isRight && found.activated && (await begin(found, body.password, weak, caller))
      if (!grant) {
        const user_id = found?.user.id ?? null
        await store.audit.add({ id: newId(), event: 'login.failed', caller, user_id })
        throw new AppError(
          isRight && !found.activated ? 'activation_required' : 'invalid_credentials',
        )
      }
      await limits.guesses.forgive(budget)
      return complete(grant, found.user)
    },

    open,
    complete,

    /**
     * Exchanges a refresh token for the next pair. The one before the present one still gets the
     * present one, within the grace and for as long as nobody used that: a lost answer or two tabs log
     * nobody out. Any other use of a spent token ends the session (RFC 9700 §4.14.2).
     * @throws AppError `invalid_token`, `rate_limited`
     */
    async refresh(token: string, caller: Caller): Promise<TokenPair> {
      return (await this.resume(token, caller)).tokens
    },

    /** The same, and whose session it is. What fails counts against the client's network. */
    async resume(token: string, caller: Caller): Promise<Resumed> {
      try {
        return await exchange(token, caller)
      } catch (error) {
        if (error instanceof AppError && error.code === 'invalid_token') {
          await limits.penalise('refresh', caller.address)
        }
        throw error
      }
    },

    /** Ends this session, or all of the user's: the tokens are dead when this returns. */
    async logout(caller: Caller, everywhere: boolean): Promise<void> {
      await end(caller, async (tx) => {
        const count = everywhere ? await tx.sessions.endAll(caller.user_id ?? '') : 0
        await tx.sessions.end(caller.session_id ?? '')
        return Math.max(1, count)
      })
    },

    /** Where the user is logged in. */
    async list({ user_id, session_id }: Caller): Promise<Session[]> {
      const found = await store.sessions.list(user_id ?? '')
      return found.map((session) => ({ ...session, current: session.id === session_id }))
    },

    /** @throws AppError `not_found` where the user has no such session */
    async endOne(caller: Caller, id: string): Promise<void> {
      await end(caller, async (tx) => {
        if (!(await tx.sessions.endOf(caller.user_id ?? '', id))) throw new AppError('not_found')
        return 1
      })
    },

    /** Ends every session of the user, or every other one; how many. */
    endAll: (caller: Caller, keepsThis: boolean): Promise<number> =>
      end(caller, (tx) =>
        tx.sessions.endAll(caller.user_id ?? '', keepsThis ? caller.session_id : null),
      ),
  }

  /**
   * Begins the session of a user who has been recognised; undefined where the account was disabled, or
   * its password changed, since it was read. `how` is for the audit log.
   */
  async function open(
    tx: Transaction,
    { user, password_hash }: Pick<Credential, 'user' | 'password_hash'>,
    caller: Caller,
    how: Record<string, string> = {},
  ): Promise<Grant | undefined> {
    const { user_agent, address } = caller
    const { id: user_id } = user
    const id = newId()
    const session = { id, user_id, password_hash, ttl: refreshTtl, user_agent, address }
    const grant = await tx.sessions.create(session)
    if (!grant) return undefined
    const who = { ...caller, user_id, session_id: id }
    const note = (
      event: 'login.succeeded' | 'session.ended',
      detail: Record<string, string | number>,
    ) => tx.audit.add({ id: newId(), event, caller: who, user_id, detail })
    await note('login.succeeded', { session: id, ...how })
    const ended = await tx.sessions.endOldest(user_id, most)
    if (ended > 0) await note('session.ended', { ended, most })
    return grant
  }

  /** What the client of a new session gets. */
  function complete(grant: Grant, user: User): Login {
    return { ...tokens.issue(grant), user, device: devices.make(user.id) }
  }

  async function exchange(token: string, caller: Caller): Promise<Resumed> {
    const { sid, sub, gen } = tokens.readRefreshToken(token)
    const whose = { user_id: sub, session_id: sid }
    const rotated = await store.sessions.rotate(sid, sub, gen)
    if (rotated) return { tokens: tokens.issue(rotated), ...whose }
    await usage.settled()
    const place = await store.sessions.find(sid, sub, grace)
    if (!place) throw new AppError('invalid_token')
    if (place.grant.generation === gen + 1 && place.lost) {
      return { tokens: tokens.issue(place.grant), ...whose }
    }
    await store.transaction(async (tx) => {
      await tx.sessions.end(sid)
      const event = 'session.refresh_reuse'
      await tx.audit.add({ id: newId(), event, caller, user_id: sub, detail: { session: sid } })
    })
    log.warn({ event: 'refresh_reuse', user_id: sub, sid }, 'a spent refresh token came back')
    throw new AppError('invalid_token')
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
    const credential = { user: found.user, password_hash }
    const grant = await store.transaction((tx) => open(tx, credential, caller))
    if (grant || tries === 1) return grant
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

  async function end(caller: Caller, work: (tx: Transaction) => Promise<number>): Promise<number> {
    return store.transaction(async (tx) => {
      const ended = await work(tx)
      const { user_id } = caller
      await tx.audit.add({
        id: newId(),
        event: 'session.ended',
        caller,
        user_id,
        detail: { ended },
      })
      return ended
    })
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
