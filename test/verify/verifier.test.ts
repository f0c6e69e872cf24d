import t from 'tap'
import { bearer, listeningApp, logIn, signUp } from '../support/app.js'
import { addClient, claimsOf, removeClient, tokenOf } from '../support/oauth.js'
import { fill } from '../support/revocations.js'
import { until } from '../support/until.js'
import { startProxy, startVerifier } from '../support/verifier.js'

t.test('a good token is verified without a request, and its claims are given', async (t) => {
  const service = await listeningApp(t)
  const { access_token } = await signUp(service.app)
  const proxy = await startProxy(t, service.origin)
  const { verify, ready, isReady, verdict } = startVerifier(t, proxy.origin)
  t.equal(await verdict(access_token), 'unavailable', 'nothing is known yet')
  t.equal(isReady(), false)
  await ready
  t.equal(isReady(), true)

  const before = [...proxy.seen]
  for (let turn = 0; turn < 5_000; turn += 1) {
    const claims = verify(access_token)
    if (claims instanceof Promise) throw new Error('it had to wait')
  }
  t.same(proxy.seen, before, '5,000 verifications, no request')
  t.same(await verify(access_token), claimsOf(access_token))
  t.throws(() => {
    const claims = verify(access_token) as { roles: string[] }
    claims.roles.push('admin')
  }, TypeError)
  t.same(
    proxy.seen.slice(0, 2).map((path) => path.split('?')[0]),
    ['/.well-known/jwks.json', '/.well-known/revocations'],
  )
})

t.test('what is revoked is refused within a second', async (t) => {
  const service = await listeningApp(t, { keyCheckInterval: 20 })
  const { app, sql } = service
  const { verdict, ready } = startVerifier(t, service.origin)
  await ready
  const account = (name: string) => ({
    email: `${name}@example.org`,
    password: 'correct horse battery',
  })

  const refused = async (token: string, code: string, act: () => Promise<unknown>) => {
    t.equal(await verdict(token), 'good')
    await act()
    const began = performance.now()
    await until(async () => (await verdict(token)) !== 'good', code)
    const ms = performance.now() - began
    t.equal(await verdict(token), code)
    t.ok(ms < 1_500, `${code} after ${Math.round(ms)} ms`)
  }

  const ada = await signUp(app, account('ada'))
  await refused(ada.access_token, 'invalid_token', () =>
    app.inject({ method: 'POST', url: '/api/logout', headers: bearer(ada.access_token) }),
  )
  const bob = await signUp(app, account('bob'))
  await refused(bob.access_token, 'token_stale', () =>
    sql('update users set epoch = epoch + 1 where id = $1', [bob.user.id]),
  )
  t.equal(await verdict((await logIn(app, account('bob'))).access_token), 'good')
  const eve = await signUp(app, account('eve'))
  await refused(eve.access_token, 'invalid_token', () =>
    sql('delete from users where id = $1', [eve.user.id]),
  )
  const own = await tokenOf(app, await addClient(service))
  await refused(own, 'invalid_token', () => removeClient(service))
})

t.test('20,000 denials are read before anything is accepted', async (t) => {
  const service = await listeningApp(t)
  const { app, origin, sql } = service
  const { access_token } = await signUp(app)
  const other = await logIn(app)
  await sql(fill, [20_000])
  await app.inject({ method: 'POST', url: '/api/logout', headers: bearer(access_token) })
  const proxy = await startProxy(t, origin)
  const verdicts = new Set<string>()
  const { verdict, ready } = startVerifier(t, proxy.origin)
  const watching = setInterval(() => {
    void verdict(access_token).then((found) => verdicts.add(found))
  }, 5)
  await ready
  clearInterval(watching)
  t.notOk(verdicts.has('good'))
  t.equal(await verdict(access_token), 'invalid_token')
  t.equal(await verdict(other.access_token), 'good')
  const pages = proxy.seen.filter((path) => path.startsWith('/.well-known/revocations'))
  t.ok(pages.length >= 5, `${pages.length} pages`)
  await sql(fill, [6_000])
  await app.inject({ method: 'POST', url: '/api/logout', headers: bearer(other.access_token) })
  await until(
    async () => (await verdict(other.access_token)) === 'invalid_token',
    'the end of what was too much at once',
  )
})

t.test('it has an end, and does not hold the process up', async (t) => {
  const service = await listeningApp(t)
  const { access_token } = await signUp(service.app)
  const proxy = await startProxy(t, service.origin)
  const { ready, close } = startVerifier(t, proxy.origin)
  await ready
  await close()
  const { length } = proxy.seen
  await new Promise((resolve) => setTimeout(resolve, 700))
  t.equal(proxy.seen.length, length)
  const closed = startVerifier(t, 'http://127.0.0.1:1')
  await closed.close()
  await t.rejects(closed.ready, { code: 'unavailable' })
  t.equal(await closed.verdict(access_token), 'unavailable')
  t.throws(() => startVerifier(t, service.origin, { maxStale: 100 }), RangeError)
  t.throws(() => startVerifier(t, service.origin, { maxStale: NaN }), RangeError)
})
