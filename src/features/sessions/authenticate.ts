import {
  areClaims,
  isOfClient,
  parseJws,
  parseObject,
  type AccessClaims,
  type VerifiedTokens,
} from '@gatehouse/verify/protocol'
import type { FastifyRequest, preHandlerHookHandler } from 'fastify'
import type { Clock } from '../../concurrency/clock.js'
import type { Denylist } from '../denylist/service.js'
import type { FindLiveKey } from '../api-keys/live-keys.js'
import { isApiKey } from '../api-keys/secret.js'
import { AppError } from '../../errors.js'
import { changesNothing } from '../../http/methods.js'
import type { IssuedTokens } from '../tokens/issued.js'
import { readToken, verifyToken } from './jwt.js'
import type { Usage } from './usage.js'
import type { SessionCookies } from './session-cookies.js'

type AuthenticateOptions = {
  denylist: Denylist
  usage: Usage
  verified: VerifiedTokens
  issued: Pick<IssuedTokens, 'take'>
  cookies: SessionCookies
  findLiveKey: FindLiveKey
  /** Whether an API key, or an access token for one, opens the route. */
  admitsApiKey: (request: FastifyRequest) => boolean
  issuer: string
  audience: string
  accessTtl: number
  clock: Clock
}

export type AccessRules = {
  /** Called before the request is refused with `forbidden`. */
  onDenied?: (request: FastifyRequest, claims: AccessClaims) => void
  /** The role that the token must have. Without it, any user may call the route. */
  role?: string
  /** Whether tokens of clients are accepted. Default: only if `role` is set. */
  admitsClients?: boolean
  /** Refuses the cookie, for routes where a GET changes something. */
  bearerOnly?: boolean
  /** Requests that need the CSRF check when authenticated by cookie. Default: all but GET and HEAD. */
  isChange?: (request: FastifyRequest) => boolean
}

/** Sets `request.user`. It returns a promise only if it has to wait. */
export type Authenticator = (request: FastifyRequest) => Promise<void> | undefined

/**
 * The preHandler of every route that is not public. It requires exactly one access token, valid and not
 * revoked. Within the denylist's lease, a cached token needs no signature check, query or promise.
 * The hook throws AppError as createAuthenticator does.
 */
export function createAuthenticateHook(
  options: AuthenticateOptions & AccessRules,
): preHandlerHookHandler {
  const authenticate = createAuthenticator(options)

  return function preHandler(request, _reply, done) {
    try {
      const pending = authenticate(request)
      if (pending) pending.then(() => done(), done)
      else done()
    } catch (error) {
      done(error as Error)
    }
  }
}

/**
 * The authenticator throws AppError `invalid_token` for every fault of the token, `token_stale`,
 * `cross_site_request`, `unavailable`, and `forbidden` without the role, for a client's token, or for an API
 * key; for an unknown key also `rate_limited`, `overloaded`.
 */
export function createAuthenticator(options: AuthenticateOptions & AccessRules): Authenticator {
  const { denylist, usage, verified, issued, cookies, findLiveKey, admitsApiKey, clock } = options
  const { role, admitsClients = role !== undefined, bearerOnly = false } = options
  const { issuer, audience, accessTtl: maxLifetime, isChange = isWrite } = options

  return function authenticate(request) {
    if (bearerOnly && request.headers.authorization === undefined) {
      throw new AppError('invalid_token')
    }
    const token = readToken(request, cookies)
    if (isApiKey(token)) return admitKey(request, token)
    const claims = verified.get(token)
    return claims ? admit(request, claims) : verifyAndAdmit(request, token)
  }

  async function verifyAndAdmit(request: FastifyRequest, token: string): Promise<void> {
    const { version } = verified
    const claims = issued.take(token) ? payloadOf(token) : await verifyToken(request)
    if (
      !areClaims('at+jwt', claims, { issuer, audience, maxLifetime, now: new Date(clock.now()) })
    ) {
      throw new AppError('invalid_token')
    }
    // A cached token is not marked again, so HEAD, which must not mark it, must not cache it either.
    if (!changesNothing(request)) {
      if (version === verified.version) verified.add(token, Object.freeze(claims))
      usage.markUsed(claims)
    }
    await admit(request, claims)
  }

  function admit(request: FastifyRequest, claims: AccessClaims): Promise<void> | undefined {
    if (clock.now() >= claims.exp * 1_000) throw new AppError('invalid_token')
    const pending = denylist.requireLive(claims)
    if (pending) return pending.then(() => authorize(request, claims))
    authorize(request, claims)
    return undefined
  }

  /** A key in memory needs no query and no promise within the lease. */
  function admitKey(request: FastifyRequest, token: string): Promise<void> | undefined {
    if (request.headers.authorization === undefined) throw new AppError('invalid_token')
    // Before the lookup: a route that no key opens costs no query.
    if (!admitsApiKey(request)) throw new AppError('forbidden')
    const found = findLiveKey(token, request.ip)
    if (found instanceof Promise) return found.then(({ claims }) => authorize(request, claims))
    authorize(request, found.claims)
    return undefined
  }

  function authorize(request: FastifyRequest, claims: AccessClaims): void {
    const byCookie = request.headers.authorization === undefined
    if (byCookie && isChange(request) && cookies.isForeign(request)) {
      throw new AppError('cross_site_request')
    }
    const hasRole = role === undefined || claims.roles.includes(role)
    const isRefusedKey = claims.api_key !== undefined && !admitsApiKey(request)
    if (!hasRole || isRefusedKey || (!admitsClients && isOfClient(claims))) {
      options.onDenied?.(request, claims)
      throw new AppError('forbidden')
    }
    request.user = claims
    if (request.validationError) throw request.validationError
  }
}

/** The claims of a token whose signature is known to be right. */
function payloadOf(token: string): unknown {
  const jws = parseJws(token)
  return jws && parseObject(jws.payload)
}

const isWrite = ({ method }: FastifyRequest) => method !== 'GET' && method !== 'HEAD'
