import { createPrivateKey, randomUUID } from 'node:crypto'
import { SignJWT } from 'jose'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createSeal } from '../../src/crypto/seal.js'
import { generateKey, publicJwk, type KeyPair } from '../../src/features/tokens/key-pair.js'
import { createKeyRepository } from '../../src/features/tokens/key-repository.js'
import { bearer, keysSecret, listeningApp, signUp } from '../support/app.js'
import { claimsOf } from '../support/oauth.js'
import { until } from '../support/until.js'
import { issuer, startProxy, startVerifier } from '../support/verifier.js'

const isFeed = (path: string) => path.startsWith('/.well-known/revocations')
const maxStale = 2_000

/** The service, whose key the test knows, and verifiers that have heard of all, each behind a proxy. */
async function start(t: Test) {
  const service = await listeningApp(t)
  const { access_token } = await signUp(service.app)
  const [stored] = await service.sql<{ kid: string }>('select kid from signing_keys')
  const keys = createKeyRepository(service.db, createSeal(keysSecret, 'signing keys'))
  const { keys: sealed } = await keys.load()
  const key = keys.open(sealed.find(({ kid }) => kid === stored?.kid)!)
  const verify = async () => {
    const proxy = await startProxy(t, service.origin)
    const verifier = startVerifier(t, proxy.origin, { maxStale })
    await verifier.ready
    const isGood = async () => (await verifier.verdict(access_token)) === 'good'
    const isUnknown = async () => (await verifier.verdict(access_token)) === 'unavailable'
    return { ...verifier, proxy, isGood, isUnknown }
  }
  return { ...service, key, access_token, verify }
}

const sign = (key: KeyPair, payload: object, header = {}) =>
  new SignJWT({ ...payload })
    .setProtectedHeader({ alg: key.algorithm, typ: 'revocations+jwt', kid: key.kid, ...header })
    .sign(createPrivateKey(key.private_key))

t.test('a service that is gone is forgiven for so long, and heals', async (t) => {
  const { origin, verify } = await start(t)
  const faults = {
    'an error': { status: 500, body: '' },
    'an outage': { status: 503, body: '' },
    'nothing at all': 'hang',
    'another place': { status: 302, headers: { location: origin }, body: '' },
    'too much': { status: 200, body: 'x'.repeat(5_000_000) },
    'a page': { status: 200, body: '<html>' },
    'nothing new': { status: 304, body: '' },
  } as const
  const suffer = async ([name, fault]: [string, (typeof faults)[keyof typeof faults]]) => {
    const { proxy, isGood, isUnknown, isReady } = await verify()
    const began = performance.now()
    proxy.rewrite((path) => (isFeed(path) ? fault : undefined))
    t.equal(await isGood(), true, `${name}: not at once`)
    await until(isUnknown, name)
    t.ok(performance.now() - began < maxStale + 1_500, `${name}: soon`)
    t.equal(isReady(), false)
    proxy.pass()
    await until(isGood, `it to heal after ${name}`)
  }
  await Promise.all(Object.entries(faults).map(suffer))
})

t.test('an answer that is forged, of another kind or played again renews nothing', async (t) => {
  const { app, origin, access_token, key, verify } = await start(t)
  const stranger = await generateKey('ES256')
  const asked = (path: string) => new URL(path, origin).searchParams.get('after')
  /** As the service would answer that nothing is new. */
  const nothing = (path: string, changed: object = {}) => {
    const now = Date.now()
    const iat = Math.floor(now / 1_000)
    const after = asked(path)
    const cursor = { after, next: after ?? '1:1:', full: after === null, more: false }
    return {
      ...{ iss: issuer, aud: `${issuer}/revocations`, at: now, iat, exp: iat + 10, denials: [] },
      ...{ ...cursor, keys: [key.kid], lifetime: 900, ...changed },
    }
  }
  const old = { iat: Math.floor(Date.now() / 1_000) - 60, exp: Math.floor(Date.now() / 1_000) - 50 }
  const unsigned = (payload: object) =>
    [{ alg: 'none', typ: 'revocations+jwt', kid: key.kid }, payload]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.')
  const forged: Record<string, (path: string) => string | Promise<string>> = {
    'a foreign key': (path) => sign(stranger, nothing(path, { keys: [stranger.kid] })),
    'a foreign key by our name': (path) => sign({ ...stranger, kid: key.kid }, nothing(path)),
    'no key': (path) => `${unsigned(nothing(path))}.`,
    'the type of a token': (path) => sign(key, nothing(path), { typ: 'at+jwt' }),
    'no type': (path) => sign(key, nothing(path), { typ: undefined }),
    'a header more': (path) => sign(key, nothing(path), { cty: 'x' }),
    'another audience': (path) => sign(key, nothing(path, { aud: 'gatehouse' })),
    'no audience': (path) => sign(key, nothing(path, { aud: undefined })),
    'another issuer': (path) => sign(key, nothing(path, { iss: 'https://other.example' })),
    expired: (path) => sign(key, nothing(path, old)),
    'of an hour ago': (path) => sign(key, nothing(path, { at: Date.now() - 3_600_000 })),
    'of the future': (path) => sign(key, nothing(path, { at: Date.now() + 3_600_000 })),
    'another question': (path) => sign(key, nothing(path, { after: '1:1:', full: true })),
    'no question': (path) => sign(key, nothing(path, { after: undefined })),
    'a denial that is none': (path) => sign(key, nothing(path, { denials: [['x', 1, null]] })),
    'no lifetime': (path) => sign(key, nothing(path, { lifetime: 0 })),
    'not listing its own key': (path) => sign(key, nothing(path, { keys: [] })),
    'an access token': () => access_token,
  }
  type Make = (path: string) => string | Promise<string>
  type Proxy = Awaited<ReturnType<typeof verify>>['proxy']
  const answer = (proxy: Proxy, make: Make) => {
    // Made ahead: a verifier asks about the same cursor until it is told of another.
    const ready = new Map<string, string>()
    proxy.rewrite((path) => {
      if (!isFeed(path)) return undefined
      const made = make(path)
      if (typeof made === 'string') return { status: 200, body: made }
      void made.then((text) => ready.set(path, text))
      return { status: 200, body: ready.get(path) ?? '' }
    })
  }

  const suffer = async ([name, make]: [string, Make]) => {
    const { proxy, errors, isGood, isUnknown } = await verify()
    const count = errors.length
    answer(proxy, make)
    await until(isUnknown, name)
    await until(() => errors.length > count, `a word of it: ${name}`)
    proxy.pass()
    await until(isGood, `it to heal after: ${name}`)
    t.pass(name)
  }
  const believe = async () => {
    const { proxy, isGood } = await verify()
    answer(proxy, async (path) => sign(key, nothing(path)))
    await sleep(maxStale + 1_000)
    await until(isGood, 'a feed that the test signed to count')
    t.pass('the test itself could sign what counts')
  }
  await Promise.all([believe(), ...Object.entries(forged).map(suffer)])

  const { proxy, isGood, isUnknown } = await verify()
  let latest = ''
  proxy.rewrite((path, { status, body }) => {
    if (!isFeed(path)) return undefined
    latest ||= body
    return { status, body: latest }
  })
  await until(async () => latest !== '' && (await isGood()), 'an answer to play again')
  await app.inject({ method: 'POST', url: '/api/logout', headers: bearer(access_token) })
  await until(isUnknown, 'the end of what an old answer is good for')
})

t.test('a key set that is none of the service’s is not taken', async (t) => {
  const service = await listeningApp(t)
  const { access_token } = await signUp(service.app)
  const stranger = await generateKey('ES256')
  const published = { ...publicJwk(stranger), kid: stranger.kid, alg: 'ES256', use: 'sig' }
  const forged = await new SignJWT({ ...claimsOf(access_token), jti: randomUUID() })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: stranger.kid })
    .sign(createPrivateKey(stranger.private_key))
  const secret = { kty: 'oct', k: 'AAAA', alg: 'HS256', use: 'sig', kid: 'x' }
  const sets = {
    'no JSON': 'x',
    'no set': '{}',
    'no keys': '{"keys":[]}',
    'a secret': JSON.stringify({ keys: [secret] }),
    'another name': JSON.stringify({ keys: [{ ...published, kid: 'x' }] }),
    'another algorithm': JSON.stringify({ keys: [{ ...published, alg: 'RS256' }] }),
    'another use': JSON.stringify({ keys: [{ ...published, use: 'enc' }] }),
    'too many': JSON.stringify({ keys: Array.from({ length: 101 }, () => published) }),
    'of somebody else': JSON.stringify({ keys: [published] }),
  }
  const suffer = async ([name, body]: [string, string]) => {
    const proxy = await startProxy(t, service.origin)
    proxy.rewrite((path) => (path.endsWith('jwks.json') ? { status: 200, body } : undefined))
    const { verdict, errors } = startVerifier(t, proxy.origin)
    await until(() => errors.length > 1, name)
    t.equal(await verdict(access_token), 'unavailable', name)
    t.equal(await verdict(forged), 'unavailable', name)
  }
  await Promise.all(Object.entries(sets).map(suffer))
})
