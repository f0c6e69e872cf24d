import { decodeProtectedHeader } from 'jose'
import t, { type Test } from 'tap'
import { openRotation } from '../../src/services.js'
import { keysSecret, listeningApp, logIn, signUp } from '../support/app.js'
import { until } from '../support/until.js'
import { startProxy, startVerifier } from '../support/verifier.js'

const kidOf = (token: string) => decodeProtectedHeader(token).kid ?? ''

async function start(t: Test) {
  const service = await listeningApp(t, { keysEvery: 20 })
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
