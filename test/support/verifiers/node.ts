import fastifyJwt from '@fastify/jwt'
import type { Algorithm } from '@gatehouse/verify/protocol'
import Fastify, { type FastifyInstance } from 'fastify'
import { createVerifier, type Algorithm as Name } from 'fast-jwt'
import { createRemoteJWKSet, jwtVerify, type JSONWebKeySet } from 'jose'
import { createPublicKey } from 'node:crypto'

/** Resolves for a token that is accepted, and rejects for another. */
export type Verify = (token: string) => Promise<unknown>

export type Service = {
  origin: string
  algorithm: Algorithm
  issuer: string
  audience: string
}

type Named = Record<string, Verify>

/** The PEM of a key of the set: of the one that is named, as most do, or of the first. */
export async function fetchPem(origin: string, kid?: string): Promise<string> {
  const answer = await fetch(`${origin}/.well-known/jwks.json`)
  const { keys } = (await answer.json()) as JSONWebKeySet
  const jwk = kid === undefined ? keys[0] : keys.find((key) => key.kid === kid)
  if (!jwk) throw new Error('no such key')
  return createPublicKey({ key: jwk, format: 'jwk' }).export({
    type: 'spki',
    format: 'pem',
  }) as string
}

/** As the manual of each says to verify a token by a JWK set; `lax` of them leave out what they may. */
export async function nodeVerifiers(service: Service): Promise<Named> {
  const { origin, algorithm, issuer, audience } = service
  const set = createRemoteJWKSet(new URL('/.well-known/jwks.json', origin))
  const pem = await fetchPem(origin)
  const key = async ({ header }: { header: { kid?: string } }) => fetchPem(origin, header.kid)
  const app = await fastifyBy(
    { decode: { complete: true }, secret: { public: keyFor(origin) } },
    service,
  )
  const byFastify = createVerifier({ key, allowedIss: issuer, allowedAud: audience })
  const byPem = createVerifier({ key: pem })
  const byAlgorithm = createVerifier({
    key: pem,
    algorithms: [algorithm as Name],
    allowedIss: issuer,
    allowedAud: audience,
  })
  return {
    jose: (token) => jwtVerify(token, set, { issuer, audience }),
    'jose, lax': (token) => jwtVerify(token, set),
    'fast-jwt': async (token) => byFastify(token) as Promise<unknown>,
    'fast-jwt with a PEM': async (token) => byAlgorithm(token) as unknown,
    'fast-jwt with a PEM, lax': async (token) => byPem(token) as unknown,
    '@fastify/jwt': (token) => ask(app, token),
  }
}

/** The same for a secret that the service shares. */
export async function secretVerifiers(secret: string, service: Service): Promise<Named> {
  const { issuer, audience } = service
  const app = await fastifyBy({ secret }, service)
  const strict = createVerifier({ key: secret, allowedIss: issuer, allowedAud: audience })
  const lax = createVerifier({ key: secret })
  const key = Buffer.from(secret)
  return {
    jose: (token) => jwtVerify(token, key, { issuer, audience }),
    'jose, lax': (token) => jwtVerify(token, key),
    'fast-jwt': async (token) => strict(token) as unknown,
    'fast-jwt, lax': async (token) => lax(token) as unknown,
    '@fastify/jwt': (token) => ask(app, token),
  }
}

type Callback = (error: Error | null, key?: string) => void

const keyFor =
  (origin: string) => (_request: unknown, token: { header: { kid?: string } }, done: Callback) =>
    void fetchPem(origin, token.header.kid).then((pem) => done(null, pem), done)

async function fastifyBy(options: object, { issuer, audience }: Service) {
  const app = Fastify()
  await app.register(fastifyJwt, {
    ...options,
    verify: { allowedIss: issuer, allowedAud: audience },
  } as never)
  app.get('/', { preHandler: (request) => request.jwtVerify() }, () => 'in')
  return app
}

async function ask(app: FastifyInstance, token: string): Promise<void> {
  const headers = { authorization: `Bearer ${token}` }
  const { statusCode, body } = await app.inject({ url: '/', headers })
  if (statusCode !== 200) throw new Error(body)
}
