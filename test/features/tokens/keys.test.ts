import { thumbprint } from '@gatehouse/verify/protocol'
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify, SignJWT } from 'jose'
import type { JSONWebKeySet } from 'jose'
import { createPrivateKey } from 'node:crypto'
import { pino } from 'pino'
import t from 'tap'
import { loadConfig } from '../../../src/config/load.js'
import { createPool } from '../../../src/db/pool.js'
import { createSeal } from '../../../src/crypto/seal.js'
import { createServices } from '../../../src/services/services.js'
import { generateKey, publicJwk } from '../../../src/features/tokens/key-pair.js'
import { createKeyRepository } from '../../../src/features/tokens/key-repository.js'
import { keysSecret, signUp, testApp } from '../../support/app.js'
import { until } from '../../support/until.js'
import { queryAt, testDatabase } from '../../support/database.js'

const secret = 'nB8vC3xZ6mK1jH4gF7dS0aP9oI2uY5tR'

for (const algorithm of ['ES256', 'EdDSA', 'RS256'] as const) {
  t.test(`${algorithm}: another library verifies a token with the JWK set`, async (t) => {
    const { app, sql } = await testApp(t, { env: { JWT_ALGORITHM: algorithm } })
    const { access_token } = await signUp(app)
    const answer = await app.inject('/.well-known/jwks.json')
    t.match(answer.headers['cache-control'], 'max-age=300')
    const set = answer.json<JSONWebKeySet>()
    const { payload, protectedHeader } = await jwtVerify(access_token, createLocalJWKSet(set), {
      algorithms: [algorithm],
      issuer: 'http://localhost:3000',
      audience: 'gatehouse',
      typ: 'at+jwt',
    })
    t.match(payload, { client_id: 'gatehouse', roles: ['user'], epoch: 0 })
    const [jwk] = set.keys
    t.match(jwk, { kid: protectedHeader.kid, alg: algorithm, use: 'sig' })
    t.equal(jwk?.kid, thumbprint(jwk ?? {}))
    for (const member of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k'])
      t.notOk(member in (jwk ?? {}), member)
    if (jwk?.n) t.ok(Buffer.from(jwk.n, 'base64url').length * 8 >= 3_072)
    const [row] = await sql<{ sealed_private_key: Buffer }>(
      'select sealed_private_key from signing_keys',
    )
    t.notMatch(row?.sealed_private_key.toString('latin1'), 'PRIVATE KEY')
  })
}

t.test('HS256: the JWK set is empty, and the kid is not a plain hash of the key', async (t) => {
  const { app } = await testApp(t, { env: { JWT_ALGORITHM: 'HS256', JWT_SECRET: secret } })
  const { access_token } = await signUp(app)
  t.same((await app.inject('/.well-known/jwks.json')).json(), { keys: [] })
  const { payload } = await jwtVerify(access_token, Buffer.from(secret), { algorithms: ['HS256'] })
  t.ok(payload.sub)
  t.not(decodeProtectedHeader(access_token).kid, thumbprint({ kty: 'oct', k: secret }))
})

t.test(
  'HS256 without JWT_SECRET: the service generates a key and stores it encrypted',
  async (t) => {
    const { app, sql } = await testApp(t, { env: { JWT_ALGORITHM: 'HS256' } })
    t.ok((await signUp(app)).access_token)
    t.same(await sql('select algorithm from signing_keys'), [{ algorithm: 'HS256' }])
  },
)

t.test(
  'after a change of algorithm old tokens stay valid, unless the new one is HS256',
  async (t) => {
    const { app, url } = await testApp(t)
    const { access_token } = await signUp(app)
    const headers = { authorization: `Bearer ${access_token}` }
    const { app: eddsa } = await testApp(t, { url, env: { JWT_ALGORITHM: 'EdDSA' } })
    t.equal((await eddsa.inject({ url: '/api/user', headers })).statusCode, 200)
    t.equal((await eddsa.inject('/.well-known/jwks.json')).json<JSONWebKeySet>().keys.length, 2)
    const { app: hs256 } = await testApp(t, { url, env: { JWT_ALGORITHM: 'HS256' } })
    t.equal((await hs256.inject({ url: '/api/user', headers })).statusCode, 401)
  },
)

t.test('a public key that was written into the database is not published', async (t) => {
  const { app, sql, url } = await testApp(t)
  const { access_token } = await signUp(app)
  const kid = decodeProtectedHeader(access_token).kid ?? ''
  const stranger = await generateKey('ES256')
  const forged = await new SignJWT({ ...decodeJwt(access_token), roles: ['admin'] })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid })
    .sign(createPrivateKey(stranger.private_key))
  // Earlier releases kept the public part there.
  await sql('alter table signing_keys add column if not exists public_jwk jsonb')
  await sql('update signing_keys set public_jwk = $1', [publicJwk(stranger)])
  const { app: other } = await testApp(t, { url })
  const answer = await other.inject('/.well-known/jwks.json')
  const set = createLocalJWKSet(answer.json<JSONWebKeySet>())
  t.ok(await jwtVerify(access_token, set))
  await t.rejects(jwtVerify(forged, set), { code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' })
})

t.test('an encrypted key can be decrypted only with its own kid and algorithm', async (t) => {
  const { db, sql } = await testApp(t)
  const keys = createKeyRepository(db, createSeal(keysSecret, 'signing keys'))
  await keys.add(await generateKey('ES256'), 0)
  await keys.add(await generateKey('EdDSA'), 0)
  const opened = async () => {
    const { keys: stored } = await keys.load()
    return stored.map((key) => {
      try {
        return keys.open(key).kid
      } catch {
        return undefined
      }
    })
  }
  t.equal((await opened()).filter((kid) => kid !== undefined).length, 3)
  const swap = `update signing_keys a set sealed_private_key = b.sealed_private_key
    from signing_keys b where a.algorithm = 'ES256' and b.algorithm = 'ES256' and a.kid <> b.kid`
  await sql(swap)
  t.equal((await opened()).filter((kid) => kid !== undefined).length, 1, 'after a swap')
  await sql(swap)
  t.equal((await opened()).filter((kid) => kid !== undefined).length, 3, 'after the swap is undone')
  await sql(`update signing_keys set algorithm = 'RS256' where algorithm = 'EdDSA'`)
  t.equal((await opened()).filter((kid) => kid !== undefined).length, 2, 'another algorithm')
  await sql(`update signing_keys set kid = kid || 'x'`)
  t.equal((await opened()).filter((kid) => kid !== undefined).length, 0, 'another kid')
})

t.test('instances that start at the same time create one key', async (t) => {
  const url = await testDatabase(t)
  const db = createPool({ url, size: 20 })
  t.teardown(() => db.close())
  // Connect first: twenty starts in one process share a thread, and could exceed the connection timeout.
  const connect = () =>
    Promise.all(Array.from({ length: 20 }, () => db.query('select pg_sleep(0.2)'))).then(
      () => true,
      () => false,
    )
  await until(connect, 'twenty connections')
  const config = loadConfig({ NODE_ENV: 'test', DATABASE_URL: url })
  const log = pino({ level: 'silent' })
  const starts = Array.from({ length: 20 }, () =>
    createServices(config, { db, listenUrl: '', keysSecret, log }),
  )
  const kids = (await Promise.all(starts)).map(({ keyring }) => keyring.current().kid)
  t.equal(new Set(kids).size, 1)
  t.same(await queryAt(url, 'select kid from signing_keys'), [{ kid: kids[0] }])
})

t.test('another KEYS_SECRET cannot decrypt the keys', async (t) => {
  const { db, config } = await testApp(t)
  const log = pino({ level: 'silent' })
  await t.rejects(
    createServices(config, { db, listenUrl: '', keysSecret: secret, log }),
    /was sealed with another KEYS_SECRET/,
  )
})
