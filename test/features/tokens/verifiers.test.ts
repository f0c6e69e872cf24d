import type { Algorithm } from '@gatehouse/verify/protocol'
import t, { type Test } from 'tap'
import { listeningApp, signUp } from '../../support/app.js'
import { nodeVerifiers, secretVerifiers, type Verify } from '../../support/verifiers/node.js'

const secret = 'nB8vC3xZ6mK1jH4gF7dS0aP9oI2uY5tR'

async function start(t: Test, algorithm: Algorithm, env: Record<string, string> = {}) {
  const service = await listeningApp(t, { env: { JWT_ALGORITHM: algorithm, ...env } })
  const { access_token, refresh_token } = await signUp(service.app)
  const refreshed = await service.app.inject({
    method: 'POST',
    url: '/api/refresh',
    payload: { refresh_token },
  })
  const next = refreshed.json<{ refresh_token: string }>().refresh_token
  const { JWT_ISSUER: issuer, JWT_AUDIENCE: audience } = service.config
  const expected = { origin: service.origin, algorithm, issuer, audience }
  return { ...service, access_token, refresh: [refresh_token, next], expected }
}

async function isAccepted(verify: Verify, token: string): Promise<boolean> {
  return verify(token).then(
    () => true,
    () => false,
  )
}

for (const algorithm of ['ES256', 'EdDSA', 'RS256'] as const) {
  t.test(`${algorithm}: a verifier with the JWK set accepts no refresh token`, async (t) => {
    const { app, access_token, refresh, expected } = await start(t, algorithm)
    const revocations = (await app.inject('/.well-known/revocations')).body
    t.match(revocations, /^[\w-]+\.[\w-]+\.[\w-]+$/)
    for (const [name, verify] of Object.entries(await nodeVerifiers(expected))) {
      t.equal(await isAccepted(verify, access_token), true, `${name}: the access token`)
      for (const token of refresh) {
        t.equal(await isAccepted(verify, token), false, `${name}: a refresh token`)
      }
      if (name.endsWith('lax')) continue
      t.equal(await isAccepted(verify, revocations), false, `${name}: the list of revocations`)
    }
  })
}

t.test('HS256: a service that shares JWT_SECRET accepts no refresh token', async (t) => {
  const { access_token, refresh, expected } = await start(t, 'HS256', { JWT_SECRET: secret })
  for (const [name, verify] of Object.entries(await secretVerifiers(secret, expected))) {
    t.equal(await isAccepted(verify, access_token), true, `${name}: the access token`)
    for (const token of refresh) {
      t.equal(await isAccepted(verify, token), false, `${name}: a refresh token`)
    }
  }
})
