import {
  createVerifiedTokens,
  ownClientId,
  type AccessClaims,
  type ForwardAuthClaims,
} from '@gatehouse/verify/protocol'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Clock } from '../concurrency/clock.js'
import { AppError } from '../errors.js'
import type { Denylist } from '../features/denylist/service.js'
import { createRefreshRule } from '../features/sessions/refresh-rule.js'
import type { SessionService } from '../features/sessions/service.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import type { Usage } from '../features/sessions/usage.js'
import type { Keyring } from '../features/tokens/keyring.js'
import type { HostToken, TokenService } from '../features/tokens/service.js'
import { callerOf } from '../http/caller.js'
import { isForwardedChange } from './original.js'

type Options = {
  cookies: SessionCookies
  tokens: TokenService
  sessions: Pick<SessionService, 'renewHost'>
  denylist: Denylist
  usage: Usage
  keyring: Pick<Keyring, 'onChange'>
  clock: Clock
  /** How long a token is believed without a look at its session, in seconds: as long as an access token. */
  accessTtl: number
  /** REFRESH_GRACE, in seconds. */
  grace: number
}

/** A verified token. Times are in milliseconds. */
type Verified = {
  claims: ForwardAuthClaims
  user: AccessClaims
  /** From then on a request renews it. */
  dueAt: number
  /** Until then it is believed. */
  freshUntil: number
  /** The renewal that is under way. Requests with the same token share it. */
  renewal?: Promise<Renewed>
  /** Until then no renewal is tried, because the session has ended. */
  endedUntil?: number
}

type Renewed = HostToken & { user: AccessClaims }

/** How long before its end a token is renewed, in seconds: at most this, and at most a tenth of its life. */
const maxHeadStart = 60

/** How long the end of a session is remembered, so that its cookie does not cost a statement each time. */
const endedFor = 60_000

/**
 * Authenticates requests for the host of an app by the cookie there. Its token says who the user is, as an access token
 * does, and it renews itself: near the end of that time and later, a request that is accepted sets the next one. A
 * request that renews nothing sends no statement to the database.
 */
export function createHostTokens(options: Options) {
  const { cookies, tokens, sessions, denylist, usage, keyring, clock, accessTtl, grace } = options
  const headStart = Math.min(maxHeadStart, accessTtl / 10)
  // A session is not renewed earlier (see refresh-rule.ts). The second is what `iat` is rounded by.
  const minAge = createRefreshRule(grace).minAge + 1
  const dueAfter = Math.min(accessTtl, Math.max(accessTtl - headStart, minAge))
  const verified = createVerifiedTokens<Verified>({ max: 5_000 })
  keyring.onChange(verified.clear)

  return { authenticate, read, isAlive }

  /**
   * Sets `request.user`. It returns a promise only if it has to wait.
   * @throws AppError `invalid_token`, `cross_site_request`, `unavailable`
   */
  function authenticate(
    host: string,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<void> | undefined {
    const known = find(host, request)
    if (isForwardedChange(request) && cookies.isForeign(request, { onlyOwn: true }))
      throw new AppError('cross_site_request')
    const pending = checkLive(known.user)
    if (pending || clock.now() >= known.dueAt) return settle(host, request, reply, known, pending)
    request.user = known.user
    return undefined
  }

  /** The claims of the cookie, if it is genuine. The session may have ended. */
  function read(host: string, request: FastifyRequest): ForwardAuthClaims | undefined {
    try {
      return find(host, request).claims
    } catch (error) {
      if (error instanceof AppError && error.code === 'invalid_token') return undefined
      throw error
    }
  }

  /** Whether the cookie is believed at present. @throws AppError `unavailable` */
  async function isAlive(host: string, request: FastifyRequest): Promise<boolean> {
    if (!read(host, request)) return false
    const { user, freshUntil } = find(host, request)
    const live = checkLive(user) ?? Promise.resolve()
    return live.then(
      () => clock.now() < freshUntil,
      (error: unknown) => {
        if (hasCode('invalid_token', error) || hasCode('token_stale', error)) return false
        throw error
      },
    )
  }

  /** @throws AppError `invalid_token` */
  function find(host: string, request: FastifyRequest): Verified {
    const token = cookies.read(request, 'gatehouse')
    if (token === undefined) throw new AppError('invalid_token')
    const known = verified.get(token) ?? verify(host, token)
    const { aud, exp } = known.claims
    if (aud !== host || clock.now() >= exp * 1_000) throw new AppError('invalid_token')
    return known
  }

  function verify(host: string, token: string): Verified {
    const claims = tokens.readHostToken(token, host)
    const freshUntil = (claims.iat + accessTtl) * 1_000
    const dueAt = (claims.iat + dueAfter) * 1_000
    const known = { claims, user: toUser(claims), dueAt, freshUntil }
    verified.add(token, known)
    usage.markUsed(claims)
    return known
  }

  function checkLive(user: AccessClaims): Promise<void> | undefined {
    try {
      return denylist.requireLive(user)
    } catch (error) {
      if (error instanceof AppError) return Promise.reject(error)
      throw error
    }
  }

  async function settle(
    host: string,
    request: FastifyRequest,
    reply: FastifyReply,
    known: Verified,
    live: Promise<void> | undefined,
  ): Promise<void> {
    const isStale = await live?.then(
      () => false,
      (error: unknown) => {
        if (hasCode('token_stale', error)) return true // the next token has the present roles
        throw error
      },
    )
    request.user = known.user
    if (!isStale && clock.now() < known.dueAt) return
    try {
      const renewed = await renewTogether(host, request, known)
      await denylist.requireLive(renewed.user)
      request.user = renewed.user
      const { token, expires_in } = renewed
      if (token !== cookies.read(request, 'gatehouse'))
        cookies.replace(reply, 'gatehouse', token, expires_in)
    } catch (error) {
      // Without the database, the present token is good for a moment longer.
      if (isStale || clock.now() >= known.freshUntil || !hasCode('unavailable', error)) {
        request.user = null as never
        throw error
      }
    }
  }

  function renewTogether(host: string, request: FastifyRequest, known: Verified): Promise<Renewed> {
    if (clock.now() < (known.endedUntil ?? 0)) return Promise.reject(new AppError('invalid_token'))
    known.renewal ??= renew(host, request, known).finally(() => delete known.renewal)
    return known.renewal
  }

  async function renew(host: string, request: FastifyRequest, known: Verified): Promise<Renewed> {
    try {
      const subject = await sessions.renewHost(known.claims, host, callerOf(request))
      const issued = tokens.issueForHost(subject, host)
      return { ...issued, user: toUser(tokens.readHostToken(issued.token, host)) }
    } catch (error) {
      if (hasCode('invalid_token', error)) known.endedUntil = clock.now() + endedFor
      throw error
    }
  }
}

export type HostTokens = ReturnType<typeof createHostTokens>

/** What the routes of forward-auth read. The session stands for the token, which has no id of its own. */
const toUser = (claims: ForwardAuthClaims): AccessClaims =>
  Object.freeze({ ...claims, client_id: ownClientId, jti: claims.sid })

const hasCode = (code: AppError['code'], error: unknown) =>
  error instanceof AppError && error.code === code
