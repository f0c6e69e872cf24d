import fastifyJwt from '@fastify/jwt'
import type { FastifyRequest, preHandlerAsyncHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { AppError } from '../errors.js'
import { areClaims, isOfClient, type AccessClaims } from '../tokens/claims.js'
import { isCompact, keyForHeader } from '../tokens/compact.js'
import type { Denylist } from '../tokens/denylist.js'
import { verifyOptions, type Keyring } from '../tokens/keyring.js'
import type { SessionCookies } from './cookies.js'

declare module '@fastify/jwt' {
  interface FastifyJWT {
    payload: AccessClaims
    user: AccessClaims
  }
}

type JwtOptions = { keyring: Keyring; issuer: string; audience: string }

/** `request.jwtVerify()` for access tokens: signature, algorithm, type, issuer and audience. */
export const jwt = fp<JwtOptions>(
  async (app, { keyring, issuer, audience }) => {
    await app.register(fastifyJwt, {
      // Without `complete` the key function would not see the header.
      decode: { complete: true },
      secret: {
        public: (
          _request: FastifyRequest,
          token: { header: Record<string, unknown> },
          done: KeyCallback,
        ) => {
          const key = keyForHeader(keyring, token.header)
          if (key) done(null, key.verificationKey)
          else done(new AppError('invalid_token'), undefined)
        },
      } as never,
      verify: {
        ...verifyOptions('at+jwt', keyring.algorithms, { issuer, audience }),
        extractToken: readAccessToken,
      },
    })
  },
  { name: 'jwt' },
)

type KeyCallback = (error: Error | null, key: string | undefined) => void

type AuthenticateOptions = {
  denylist: Denylist
  cookies: SessionCookies
  issuer: string
  audience: string
  accessTtl: number
  now: () => Date
  /** Who has not got it is refused. Without one the route is about the user of the token. */
  role?: string
  /** No cookie will do: for what changes something by GET. */
  bearerOnly?: boolean
}

/**
 * The preHandler of every route that is not public: exactly one token, genuine, alive, not revoked.
 * @throws AppError `invalid_token` for every fault of the token, `token_stale`,
 *   `cross_site_request`, `forbidden` without the role or where only a user may, `unavailable`
 */
export function createAuthenticate(options: AuthenticateOptions): preHandlerAsyncHookHandler {
  const { denylist, cookies, issuer, audience, accessTtl, now, role, bearerOnly = false } = options

  return async function authenticate(request) {
    const byCookie = request.headers.authorization === undefined
    if (byCookie && bearerOnly) throw new AppError('invalid_token')
    const claims = await verify(request)
    if (!areClaims('at+jwt', claims, { issuer, audience, maxLifetime: accessTtl, now: now() })) {
      throw new AppError('invalid_token')
    }
    await denylist.requireLive(claims)
    if (byCookie && isChange(request) && cookies.isForeign(request)) {
      throw new AppError('cross_site_request')
    }
    const isAllowed = role === undefined ? !isOfClient(claims) : claims.roles.includes(role)
    if (!isAllowed) throw new AppError('forbidden')
    if (request.validationError) throw request.validationError
  }
}

/** The library answers 500 to a dozen faults of a token; a client meets only one. */
async function verify(request: FastifyRequest): Promise<unknown> {
  try {
    return await request.jwtVerify()
  } catch (cause) {
    throw new AppError('invalid_token', { cause })
  }
}

const isChange = ({ method }: FastifyRequest) => method !== 'GET' && method !== 'HEAD'

/**
 * The one token of a request: in one Authorization header, or else in the `session` cookie. A header
 * of any other kind never falls through to the cookie (RFC 6750 §2).
 * @throws AppError `invalid_token`
 */
function readAccessToken(request: FastifyRequest): string {
  const token = readBearer(request) ?? request.cookies.session
  if (token === undefined || !isCompact(token)) throw new AppError('invalid_token')
  return token
}

/**
 * The text behind `Bearer`, or undefined without an Authorization header.
 * @throws AppError `invalid_token` when there are two, or one of another scheme
 */
export function readBearer({ headers, raw }: FastifyRequest): string | undefined {
  if (headers.authorization === undefined) return undefined
  const count = raw.rawHeaders.filter(
    (name, at) => at % 2 === 0 && /^authorization$/i.test(name),
  ).length
  const token = /^Bearer ([^\s,]+)$/i.exec(headers.authorization)?.[1]
  if (count !== 1 || token === undefined) throw new AppError('invalid_token')
  return token
}
