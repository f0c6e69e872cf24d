import { decodeProtectedHeader } from 'jose'
import t, { type Test } from 'tap'
import { openRotation } from '../../src/commands/rotation.js'
import { generateKey, publicJwk } from '../../src/features/tokens/key-pair.js'
import { createKeySet } from '../../packages/verify/src/keys.js'
import { keysSecret, listeningApp, logIn, signUp } from '../support/app.js'
import { changeHistory } from '../support/histories.js'
import { until } from '../support/until.js'
import { startProxy, startVerifier } from '../support/verifier.js'

const jwks = await Promise.all(
  ['ES256', 'EdDSA'].map(async (alg) => {
    const key = await generateKey(alg as 'ES256')
    return { ...publicJwk(key), kid: key.kid, alg, use: 'sig' }
  }),
)
const kidOf = (token: string) => decodeProtectedHeader(token).kid ?? ''

async function start(t: Test) {
  const service = await listeningApp(t, { keyCheckInterval: 20 })
  const { access_token } = await signUp(service.app)
  const proxy = await startProxy(t, service.origin)
  const verifier = startVerifier(t, proxy.origin)
  await verifier.ready
  const rotation = openRotation(service.config, service.db, keysSecret)
  const asked = () => proxy.seen.filter((path) => path.endsWith('jwks.json')).length
  return { ...service, ...verifier, rotation, access_token, proxy, asked }
}

t.test('a key that is removed is dead within a second, and the next is good at once', async (t) => {
  const { app, verdict, rotation, access_token, asked } = await start(t)
  const old = kidOf(access_token)
  t.equal(await verdict(access_token), 'good')
  await rotation.remove(old)
  const began = performance.now()
  await until(async () => (await verdict(access_token)) === 'invalid_token', 'its end')
  t.ok(performance.now() - began < 1_500)
  let next = ''
  await until(async () => {
    next = (await logIn(app)).access_token
    return kidOf(next) !== old
  }, 'a token of the next')
  await until(async () => (await verdict(next)) === 'good', 'the next key')
  t.equal(await verdict(access_token), 'invalid_token')
  t.ok(asked() <= 4, `${asked()} key sets`)
})

t.test('a failover that loses the removal of a key does not make it good again', async (t) => {
  const { url, sql, verdict, rotation, access_token } = await start(t)
  const kept = await sql('select * from signing_keys')
  await rotation.remove(kidOf(access_token))
  await until(async () => (await verdict(access_token)) === 'invalid_token', 'its end')
  await sql(changeHistory)
  // Another instance has never heard of the removal.
  const other = await listeningApp(t, { url })
  const [blind] = [startVerifier(t, other.origin)]
  await sql(
    'insert into signing_keys select * from json_populate_recordset(null::signing_keys, $1)',
    [JSON.stringify(kept)],
  )
  await blind.ready
  t.equal(await verdict(access_token), 'invalid_token')
  await until(async () => {
    t.not(await verdict(access_token), 'good')
    return (
      (await sql('select from signing_keys where kid = $1', [kidOf(access_token)])).length === 0
    )
  }, 'the instance that knows to remove it again')
  t.match(await sql(`select detail from audit_log where detail->>'why' = 'removal was lost'`), [
    { detail: { kid: kidOf(access_token) } },
  ])
})

t.test('keys that were removed stay so, and those that a failover took may come back', (t) => {
  const keys = createKeySet({
    ...{ onChange: () => undefined, clock: () => 0 },
    read: async () => ({ text: JSON.stringify({ keys: jwks }), headers: new Headers() }),
  })
  const [removed, lost] = jwks.map(({ kid }) => kid) as [string, string]
  const isGood = (kid: string) => keys.find(kid) !== undefined
  return keys.load().then(() => {
    keys.follow([removed, lost])
    keys.follow([lost])
    t.notOk(isGood(removed))
    keys.follow([removed, lost])
    t.ok(isGood(removed), 'an instance was late')
    keys.follow([lost])
    keys.follow([removed], true)
    t.notOk(isGood(removed))
    t.notOk(isGood(lost), 'not of this history')
    keys.follow([removed, lost], true)
    t.notOk(isGood(removed))
    t.ok(isGood(lost), 'back where it was')
  })
})

t.test('keys that rotate refuse nobody', async (t) => {
  const { app, sql, verdict, rotation, access_token } = await start(t)
  const faults: string[] = []
  const kids = new Set([kidOf(access_token)])
  const tokens = [access_token]
  const use = async () => {
    tokens.push((await logIn(app)).access_token)
    kids.add(kidOf(tokens.at(-1) ?? ''))
    for (const token of tokens) {
      const found = await verdict(token)
      if (found !== 'good') faults.push(`${found}: ${kidOf(token)}`)
    }
  }
  for (let turn = 1; turn <= 3; turn += 1) {
    const { kid } = await rotation.rotate(900)
    await use()
    // The quarter of an hour for which it is published is over.
    await sql(`update signing_keys set signs_from = now() where kid = $1`, [kid])
    await until(async () => {
      await use()
      return kids.has(kid)
    }, 'the next key to sign')
  }
  for (let turn = 1; turn <= 2; turn += 1) {
    const { kid } = await rotation.rotate(0)
    await until(async () => {
      await use()
      return kids.has(kid)
    }, 'a key that signs at once')
  }
  t.same(faults, [])
  t.equal(kids.size, 6)
})

t.test('tokens with unknown keys make it ask once a second, and hold nobody else up', async (t) => {
  const { verdict, access_token, asked } = await start(t)
  const [, payload = '', signature = ''] = access_token.split('.')
  const header = (kid: string) =>
    Buffer.from(JSON.stringify({ alg: 'ES256', typ: 'at+jwt', kid })).toString('base64url')
  const before = asked()
  const verdicts = Array.from({ length: 200 }, (_, at) =>
    verdict(`${header(`unknown-${at}`)}.${payload}.${signature}`),
  )
  t.equal(await verdict(access_token), 'good')
  t.same(new Set(await Promise.all(verdicts)), new Set(['invalid_token']))
  t.equal(asked(), before + 1)
})
