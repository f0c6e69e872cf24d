import fastifyJwt from '@fastify/jwt'
import {
  areClaims,
  isCompact,
  isOfClient,
  keyForHeader,
  verifyOptions,
  type AccessClaims,
  type VerifiedTokens,
} from '@gatehouse/verify/protocol'
import type { FastifyRequest, preHandlerHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import type { Denylist } from '../denylist/service.js'
import { AppError } from '../../errors.js'
import { readBearer } from '../../http/bearer.js'
import type { Keyring } from '../tokens/keyring.js'
import type { Usage } from './usage.js'
import type { SessionCookies } from './session-cookies.js'

declare module '@fastify/jwt' {
  interface FastifyJWT {
    payload: AccessClaims
    user: AccessClaims
  }
}

type JwtOptions = {
  keyring: Keyring
  issuer: string
  audience: string
  cookies: SessionCookies
}

/** `request.jwtVerify()` for access tokens: signature, algorithm, type, issuer and audience. */
export const jwt = fp<JwtOptions>(
  async (app, { keyring, issuer, audience, cookies }) => {
    await app.register(fastifyJwt, {
      // Without `complete` the key function would not see the header.
      decode: { complete: true },
      secret: {
        public: (
          _request: FastifyRequest,
          token: { header: Record<string, unknown> },
          done: KeyCallback,
        ) => {
          const key = keyForHeader(keyring, token.header, 'at+jwt')
          if (key) done(null, key.verificationKey)
          else done(new AppError('invalid_token'), undefined)
        },
      } as never,
      verify: {
        ...verifyOptions('at+jwt', keyring.algorithms, { issuer, audience }),
        extractToken: (request: FastifyRequest) => readAccessToken(request, cookies),
      },
    })
  },
  { name: 'jwt' },
)

type KeyCallback = (error: Error | null, key: string | undefined) => void

type AuthenticateOptions = {
  denylist: Denylist
  usage: Usage
  verified: VerifiedTokens
  cookies: SessionCookies
  issuer: string
  audience: string
  accessTtl: number
  /** Milliseconds since 1970. */
  now: () => number
}

export type AccessRules = {
  /** Called with the claims of a caller that lacks the role. */
  onDenied?: (request: FastifyRequest, claims: AccessClaims) => void
  /** Who has not got it is refused. Without one the route is about the user of the token. */
  role?: string
  /** Other services may ask too, though it takes no role. */
  admitsClients?: boolean
  /** No cookie will do: for what changes something by GET. */
  bearerOnly?: boolean
  /** What by cookie no page of another site may ask; by default what is neither GET nor HEAD. */
  isChange?: (request: FastifyRequest) => boolean
}

/** Puts the claims into `request.user`; a promise only where that has to wait. */
export type Authenticator = (request: FastifyRequest) => Promise<void> | undefined

/**
 * The preHandler of every route that is not public: exactly one token, genuine, alive, not revoked.
 * A token that was verified before costs neither a signature nor a query nor a promise.
 * The hook throws AppError as createAuthenticator does.
 */
export function createAuthenticate(
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
 * @throws AppError `invalid_token` for every fault of the token, `token_stale`,
 *   `cross_site_request`, `forbidden` without the role or where only a user may, `unavailable`
 */
export function createAuthenticator(options: AuthenticateOptions & AccessRules): Authenticator {
  const { denylist, usage, verified, cookies, now } = options
  const { role, admitsClients = role !== undefined, bearerOnly = false } = options
  const { issuer, audience, accessTtl: maxLifetime, isChange = isWrite } = options

  return function authenticate(request) {
    if (bearerOnly && request.headers.authorization === undefined) {
      throw new AppError('invalid_token')
    }
    const token = readToken(request, cookies)
    const claims = verified.get(token)
    return claims ? admit(request, claims) : verifyAndAdmit(request, token)
  }

  async function verifyAndAdmit(request: FastifyRequest, token: string): Promise<void> {
    const { version } = verified
    const claims = await verify(request)
    if (!areClaims('at+jwt', claims, { issuer, audience, maxLifetime, now: new Date(now()) })) {
      throw new AppError('invalid_token')
    }
    if (version === verified.version) verified.add(token, Object.freeze(claims))
    usage.note(claims)
    await admit(request, claims)
  }

  function admit(request: FastifyRequest, claims: AccessClaims): Promise<void> | undefined {
    if (now() >= claims.exp * 1_000) throw new AppError('invalid_token')
    const pending = denylist.requireLive(claims)
    if (pending) return pending.then(() => authorize(request, claims))
    authorize(request, claims)
    return undefined
  }

  function authorize(request: FastifyRequest, claims: AccessClaims): void {
    const byCookie = request.headers.authorization === undefined
    if (byCookie && isChange(request) && cookies.isForeign(request)) {
      throw new AppError('cross_site_request')
    }
    const hasRole = role === undefined || claims.roles.includes(role)
    if (!hasRole || (!admitsClients && isOfClient(claims))) {
      options.onDenied?.(request, claims)
      throw new AppError('forbidden')
    }
    request.user = claims
    if (request.validationError) throw request.validationError
  }
}

/** The library answers 500 to a dozen faults of a token; a client meets only one. */
async function verify(request: FastifyRequest): Promise<unknown> {
  try {
    return await request.jwtVerify()
  } catch (cause) {
    throw new AppError('invalid_token', { cause })
  } finally {
    // The library lets in whoever a signature names; nobody is, before all else is known.
    request.user = null as never
  }
}

const isWrite = ({ method }: FastifyRequest) => method !== 'GET' && method !== 'HEAD'

/**
 * The one token of a request: in one Authorization header, or else in the `session` cookie. A header
 * of any other kind never falls through to the cookie (RFC 6750 §2).
 * @throws AppError `invalid_token`
 */
const readToken = (request: FastifyRequest, cookies: SessionCookies): string =>
  readBearer(request) ?? cookies.requireToken(request, 'session')

/** The same, for who has not verified it before. */
function readAccessToken(request: FastifyRequest, cookies: SessionCookies): string {
  const token = readToken(request, cookies)
  if (!isCompact(token)) throw new AppError('invalid_token')
  return token
}
