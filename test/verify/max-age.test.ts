import { fastifyToken, requireToken } from '@gatehouse/verify'
import Fastify from 'fastify'
import { createServer } from 'node:http'
import t from 'tap'
import { bearer, listeningApp, signUp } from '../support/app.js'
import { listen } from '../support/listen.js'
import { addClient, claimsOf, tokenOf } from '../support/oauth.js'
import { startVerifier } from '../support/verifier.js'

const challenge =
  'Bearer error="insufficient_user_authentication", ' +
  'error_description="A more recent login is required", max_age="300"'

t.test('maxAge refuses a token whose login is too old (RFC 9470 §3)', async (t) => {
  const service = await listeningApp(t)
  const { app, origin } = service
  const { access_token } = await signUp(app)
  const login = Number(claimsOf(access_token).auth_time) * 1_000
  let now = login
  const verifier = startVerifier(t, origin, { now: () => new Date(now) })
  await verifier.ready
  const verify = async (maxAge: number) => verifier.verify(access_token, { maxAge })

  now = login + 300_000
  t.match(await verify(300), claimsOf(access_token))
  now += 1
  const refusal = {
    code: 'insufficient_user_authentication',
    statusCode: 401,
    headers: { 'www-authenticate': challenge },
  }
  await t.rejects(verify(300), refusal)
  t.match(await verifier.verify(access_token), { auth_time: login / 1_000 }, 'without maxAge')
  for (const wrong of [-1, NaN, Infinity]) await t.rejects(verify(wrong), RangeError, String(wrong))

  const guarded = Fastify()
  guarded.get('/', { preHandler: fastifyToken(verifier, { maxAge: 300 }) }, () => 'in')
  const admin = fastifyToken(verifier, { maxAge: 300, role: 'admin' })
  guarded.get('/admin', { preHandler: admin }, () => 'in')
  t.teardown(() => guarded.close())
  const guard = requireToken(verifier, { maxAge: 300, admitsClients: true })
  const server = createServer((request, response) =>
    guard(request, response, () => response.end('in')),
  )
  const plain = await listen(t, server)
  const hosts = [await guarded.listen({ host: '127.0.0.1', port: 0 }), plain]
  for (const host of hosts) {
    const refused = await fetch(host, { headers: bearer(access_token) })
    t.equal(refused.status, 401)
    t.equal(refused.headers.get('www-authenticate'), challenge)
    t.match(await refused.json(), { code: 'insufficient_user_authentication' })
  }
  const forbidden = await guarded.inject({ url: '/admin', headers: bearer(access_token) })
  t.equal(forbidden.statusCode, 403, 'another login would not give the role')
  now = login + 300_000
  for (const host of hosts)
    t.equal((await fetch(host, { headers: bearer(access_token) })).status, 200)
  const own = await tokenOf(app, await addClient(service))
  t.equal((await fetch(plain, { headers: bearer(own) })).status, 401, 'a client has no login')
})
