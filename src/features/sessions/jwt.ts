import fastifyJwt from '@fastify/jwt'
import { isCompact, keyForHeader, type AccessClaims } from '@gatehouse/verify/protocol'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { AppError } from '../../errors.js'
import { readBearer } from '../../http/bearer.js'
import type { Keyring } from '../tokens/keyring.js'
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

/** Adds `request.jwtVerify()` for access tokens: it checks signature, algorithm, type, issuer and audience. */
export const jwt = fp<JwtOptions>(
  async (app, { keyring, issuer, audience, cookies }) => {
    await app.register(fastifyJwt, {
      // With `complete`, the key function below gets the header.
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
        algorithms: keyring.algorithms,
        allowedIss: issuer,
        allowedAud: audience,
        checkTyp: 'at+jwt',
        requiredClaims: ['iss', 'aud', 'sub', 'jti', 'sid', 'iat', 'exp'],
        // areClaims() checks the times, by the clock of the service.
        ignoreExpiration: true,
        ignoreNotBefore: true,
        errorCacheTTL: -1,
        extractToken: (request: FastifyRequest) => readAccessToken(request, cookies),
      },
    })
  },
  { name: 'jwt' },
)

type KeyCallback = (error: Error | null, key: string | undefined) => void

/** Verifies a token with fast-jwt. @throws AppError `invalid_token` for every error of the library */
export async function verifyToken(request: FastifyRequest): Promise<unknown> {
  try {
    return await request.jwtVerify()
  } catch (cause) {
    throw new AppError('invalid_token', { cause })
  } finally {
    // jwtVerify sets request.user before our own checks, so it is unset here.
    request.user = null as never
  }
}

/**
 * Reads the token from the Authorization header, or without one from the `session` cookie. If the header
 * is malformed, the cookie does not count (RFC 6750 §2).
 * @throws AppError `invalid_token`
 */
export const readToken = (request: FastifyRequest, cookies: SessionCookies): string =>
  readBearer(request) ?? cookies.requireToken(request, 'session')

/** As readToken, and checks the form of the token. */
function readAccessToken(request: FastifyRequest, cookies: SessionCookies): string {
  const token = readToken(request, cookies)
  if (!isCompact(token)) throw new AppError('invalid_token')
  return token
}
