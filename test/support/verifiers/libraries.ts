import { JwtVerifier } from 'aws-jwt-verify'
import type { SimpleFetcher } from 'aws-jwt-verify/https'
import { SimpleJwksCache } from 'aws-jwt-verify/jwk'
import { expressjwt } from 'express-jwt'
import jwksRsa from 'jwks-rsa'
import { createRequire } from 'node:module'
import type { Service, Verify } from './node.js'

// It has no types.
const { Strategy, ExtractJwt } = createRequire(import.meta.url)('passport-jwt') as {
  Strategy: new (options: object, verify: (payload: object, done: Done) => void) => Strategy
  ExtractJwt: { fromAuthHeaderAsBearerToken: () => unknown }
}
type Done = (error: null, user: object) => void
type Strategy = {
  authenticate: (request: object) => void
  success: (user: object) => void
  fail: (challenge: unknown) => void
  error: (error: Error) => void
}

/** The verifiers that npm has besides jose and fast-jwt, set up as their manuals say. */
export function libraryVerifiers(service: Service): Record<string, Verify> {
  const { origin, algorithm, issuer, audience } = service
  const jwksUri = `${origin}/.well-known/jwks.json`
  const algorithms = [algorithm]
  const strict = { issuer, audience, algorithms }
  return {
    'express-jwt': byExpress({ secret: jwksRsa.expressJwtSecret({ jwksUri }), ...strict }),
    'express-jwt, lax': byExpress({ secret: jwksRsa.expressJwtSecret({ jwksUri }), algorithms }),
    'passport-jwt': byPassport({
      secretOrKeyProvider: jwksRsa.passportJwtSecret({ jwksUri }),
      ...strict,
    }),
    'passport-jwt, lax': byPassport({
      secretOrKeyProvider: jwksRsa.passportJwtSecret({ jwksUri }),
    }),
    'aws-jwt-verify': byAws({ jwksUri, issuer, audience }),
    'aws-jwt-verify, lax': byAws({ jwksUri, issuer, audience: null }),
  }
}

const asked = (token: string) => ({
  method: 'GET',
  url: '/',
  headers: { authorization: `Bearer ${token}` },
})

function byExpress(options: object): Verify {
  const verify = expressjwt(options as Parameters<typeof expressjwt>[0])
  return (token) =>
    new Promise((resolve, reject) => {
      const next = (error?: unknown) =>
        error === undefined ? resolve('in') : reject(new Error('refused', { cause: error }))
      void verify(asked(token) as never, {} as never, next)
    })
}

function byPassport(options: object): Verify {
  const jwtFromRequest = ExtractJwt.fromAuthHeaderAsBearerToken()
  const strategy = new Strategy({ jwtFromRequest, ...options }, (payload, done) =>
    done(null, payload),
  )
  return (token) =>
    new Promise((resolve, reject) => {
      const each = Object.create(strategy) as Strategy
      each.success = resolve
      each.fail = (challenge) => reject(new Error(String(challenge)))
      each.error = reject
      each.authenticate(asked(token))
    })
}

/** It asks over https alone, so the test fetches the set for it. */
function byAws({
  jwksUri,
  ...options
}: {
  jwksUri: string
  issuer: string
  audience: string | null
}): Verify {
  const fetcher = {
    fetch: async () => (await fetch(jwksUri)).arrayBuffer(),
  } satisfies Pick<SimpleFetcher, 'fetch'>
  const jwksCache = new SimpleJwksCache({ fetcher })
  const verifier = JwtVerifier.create({ ...options, jwksUri }, { jwksCache })
  return (token) => verifier.verify(token)
}
