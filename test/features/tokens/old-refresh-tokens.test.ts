import type { Algorithm } from '@gatehouse/verify/protocol'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { migrationsDirectory } from '../../../src/db/schema.js'
import { createSeal } from '../../../src/crypto/seal.js'
import { openRotation } from '../../../src/commands/rotation.js'
import { secretKey, type KeyPair } from '../../../src/features/tokens/key-pair.js'
import { createKeyRepository } from '../../../src/features/tokens/key-repository.js'
import { keysSecret, signUp, testApp, type TestApp } from '../../support/app.js'
import { queryAt, testDatabase } from '../../support/database.js'
import { jws, signerOf } from '../../support/forgeries/kit.js'
import { addClient, claimsOf, post } from '../../support/oauth.js'
import { until } from '../../support/until.js'

const secret = 'nB8vC3xZ6mK1jH4gF7dS0aP9oI2uY5tR'
const day = 86_400
const month = 30 * day

/** An instance of this release that was upgraded so many seconds ago, with sessions of the release before. */
async function upgraded(t: Test, seconds: number, env: Record<string, string> = {}) {
  const url = await testDatabase(t)
  await queryAt(url, 'update key_ring set refresh_keys_since = now() - make_interval(secs => $1)', [
    seconds,
  ])
  return testApp(t, { url, env, keyCheckInterval: 20 })
}

async function signingKey({ db, config }: TestApp): Promise<KeyPair> {
  if (config.JWT_SECRET !== undefined) return secretKey(config.JWT_SECRET)
  const keys = createKeyRepository(db, createSeal(keysSecret, 'signing keys'))
  const { keys: stored } = await keys.load()
  return keys.open(stored[0]!)
}

/** Signs a refresh token as the release before would have issued it. */
async function asBefore(service: TestApp, token: string, header = {}, claims = {}) {
  const key = await signingKey(service)
  const head = { alg: key.algorithm, typ: 'rt+jwt', kid: key.kid, ...header }
  return jws(head, { ...claimsOf(token), aud: 'gatehouse', ...claims }, signerOf(key))
}

const refresh = ({ app }: TestApp, refresh_token: string) =>
  app.inject({ method: 'POST', url: '/api/refresh', payload: { refresh_token } })

const ways: [Algorithm, Record<string, string>][] = [
  ['ES256', {}],
  ['HS256', {}],
  ['HS256', { JWT_SECRET: secret }],
]
for (const [algorithm, env] of ways) {
  t.test(`${algorithm}: a refresh token of the previous release can be refreshed`, async (t) => {
    const service = await upgraded(t, 0, { JWT_ALGORITHM: algorithm, ...env })
    const { refresh_token } = await signUp(service.app)
    const old = await asBefore(service, refresh_token)
    const answer = await refresh(service, old)
    t.equal(answer.statusCode, 200)
    const next = answer.json<{ refresh_token: string }>().refresh_token
    t.match(claimsOf(next), { aud: 'http://localhost:3000/refresh', gen: 1 })
    const form = { grant_type: 'refresh_token', refresh_token: await asBefore(service, next) }
    t.equal((await post(service.app, 'token', form)).statusCode, 200)
  })
}

t.test('an old refresh token is not active, and revoking it ends its session', async (t) => {
  const service = await upgraded(t, 0)
  const client = await addClient(service)
  const { refresh_token } = await signUp(service.app)
  const token = await asBefore(service, refresh_token)
  const answer = await post(service.app, 'introspect', { token }, client)
  t.equal(answer.body, '{"active":false}')
  t.equal((await post(service.app, 'revoke', { token })).statusCode, 200)
  t.strictSame(await service.sql('select from sessions'), [])
})

t.test('an invalid old refresh token is refused', async (t) => {
  const service = await upgraded(t, 0)
  const { refresh_token, access_token } = await signUp(service.app)
  const wrong: [name: string, header: object, claims: object][] = [
    ['the type of an access token', { typ: 'at+jwt' }, {}],
    ['the new audience', {}, { aud: 'http://localhost:3000/refresh' }],
    ['both audiences', {}, { aud: ['gatehouse', 'http://localhost:3000/refresh'] }],
    ['another algorithm', { alg: 'HS256' }, {}],
    ['an additional header member', { cty: 'JWT' }, {}],
    ['another issuer', {}, { iss: 'https://other.example' }],
    ['a lifetime that is too long', {}, { exp: Math.floor(Date.now() / 1_000) + 2 * month }],
    ['no generation', {}, { gen: undefined }],
  ]
  for (const [name, header, claims] of wrong) {
    const token = await asBefore(service, refresh_token, header, claims)
    t.equal((await refresh(service, token)).statusCode, 401, name)
  }
  t.equal((await refresh(service, access_token)).statusCode, 401)
  t.equal((await refresh(service, await asBefore(service, refresh_token))).statusCode, 200)
})

t.test('an old refresh token is refused after its key is removed', async (t) => {
  const service = await upgraded(t, 0)
  const { refresh_token } = await signUp(service.app)
  const old = await asBefore(service, refresh_token)
  const { kid } = await signingKey(service)
  await openRotation(service.config, service.db, keysSecret).remove(kid)
  await service.app.listen({ host: '127.0.0.1', port: 0 })
  const isSigned = async () =>
    !JSON.stringify((await service.app.inject('/.well-known/jwks.json')).json()).includes(kid)
  await until(isSigned, 'the removal to reach the instance')
  t.equal((await refresh(service, old)).statusCode, 401)
})

t.test(
  'an old refresh token is valid until a day and REFRESH_TOKEN_TTL after the upgrade',
  async (t) => {
    const leeway = 120
    const env = { SESSION_IDLE_TTL: '30d' }
    for (const [seconds, status] of [
      [day + month + leeway - 60, 200],
      [day + month + leeway + 1, 401],
    ] as const) {
      for (const [JWT_ALGORITHM, more] of ways) {
        const service = await upgraded(t, seconds, { ...env, JWT_ALGORITHM, ...more })
        const { refresh_token } = await signUp(service.app)
        const answer = await refresh(service, await asBefore(service, refresh_token))
        t.equal(answer.statusCode, status)
      }
    }
  },
)

t.test('a new installation accepts no old refresh token', async (t) => {
  const service = await testApp(t)
  const { refresh_token } = await signUp(service.app)
  const old = await asBefore(service, refresh_token)
  t.equal((await refresh(service, old)).statusCode, 401)
})

for (const hadSessions of [true, false]) {
  t.test(`the migration recognises ${hadSessions ? 'old' : 'new'} installations`, async (t) => {
    const url = await testDatabase(t)
    const sql = (text: string) => queryAt<{ since: Date | null }>(url, text)
    await sql('alter table key_ring drop column refresh_keys_since')
    await sql('alter table signing_keys add column public_jwk jsonb')
    if (hadSessions) {
      await sql(`with ada as (
          insert into users (id, username, username_canonical)
          values (gen_random_uuid(), 'ada', 'ada') returning id)
        insert into sessions (id, user_id, expires_at)
        select gen_random_uuid(), id, now() + interval '1 day' from ada`)
    }
    await sql(readFileSync(join(migrationsDirectory, '0014_refresh_keys.sql'), 'utf8'))
    const [row] = await sql('select refresh_keys_since as since from key_ring')
    t.equal(row?.since !== null, hadSessions)
  })
}
