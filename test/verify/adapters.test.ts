import { fastifyToken, requireToken, type Claims, type TokenRules } from '@gatehouse/verify'
import Fastify from 'fastify'
import { createServer } from 'node:http'
import t, { type Test } from 'tap'
import { bearer, listeningApp, logIn, signUp } from '../support/app.js'
import { until } from '../support/until.js'
import { listen } from '../support/listen.js'
import { addClient, tokenOf } from '../support/oauth.js'
import { startProxy, startVerifier } from '../support/verifier.js'

type Started = ReturnType<typeof startVerifier>

async function startFastify(t: Test, verifier: Started): Promise<string> {
  const app = Fastify()
  app.get('/', { preHandler: fastifyToken(verifier) }, (request) => {
    return (request as unknown as { user: Claims }).user
  })
  app.get('/admin', { onRequest: fastifyToken(verifier, { role: 'admin' }) }, () => 'in')
  t.teardown(() => app.close())
  return app.listen({ host: '127.0.0.1', port: 0 })
}

function startHttp(t: Test, verifier: Started): Promise<string> {
  const [any, admin] = [requireToken(verifier), requireToken(verifier, { role: 'admin' })]
  const server = createServer((request, response) => {
    const guard = request.url === '/admin' ? admin : any
    guard(request, response, () => {
      const { user } = request as unknown as { user: Claims }
      response.end(request.url === '/admin' ? 'in' : JSON.stringify(user))
    })
  })
  return listen(t, server)
}

for (const [name, start] of Object.entries({ Fastify: startFastify, 'node:http': startHttp })) {
  t.test(`${name}: a token opens what it may, and every refusal says why`, async (t) => {
    const service = await listeningApp(t)
    const { app, sql } = service
    const { access_token, user } = await signUp(app)
    const proxy = await startProxy(t, service.origin)
    const verifier = startVerifier(t, proxy.origin, { maxStale: 2_000 })
    const origin = await start(t, verifier)
    const get = async (path: string, token?: string) => {
      const answer = await fetch(origin + path, { headers: token ? bearer(token) : {} })
      const { status, headers } = answer
      const [challenge, wait] = [headers.get('www-authenticate'), headers.get('retry-after')]
      return { status, challenge, wait, body: await answer.text() }
    }

    t.equal((await get('/')).status, 401)
    await verifier.ready
    t.match(await get('/'), { status: 401, challenge: 'Bearer' })
    t.match(await get('/', 'x'), { status: 401, challenge: 'Bearer error="invalid_token"' })
    t.match(JSON.parse((await get('/', access_token)).body), { sub: user.id, roles: ['user'] })
    const forbidden = { status: 403, challenge: 'Bearer error="insufficient_scope"' }
    t.match(await get('/admin', access_token), { ...forbidden, body: /"forbidden"/ })

    await sql(`insert into user_roles values ($1, 'admin')`, [user.id])
    const { access_token: admin } = await logIn(app)
    t.match(await get('/admin', admin), { status: 200, body: 'in' })
    await sql('update users set epoch = epoch + 1 where id = $1', [user.id])
    await until(async () => (await get('/admin', admin)).status === 401, 'the end of it')
    t.match(await get('/admin', admin), { body: /"token_stale"/ })

    const good = (await logIn(app)).access_token
    t.equal((await get('/', good)).status, 200)
    proxy.rewrite(() => 'hang')
    await until(async () => (await get('/', good)).status === 503, 'nobody who can tell')
    t.match(await get('/', good), { wait: '1', challenge: null, body: /"unavailable"/ })
    proxy.pass()
    await until(async () => (await get('/', good)).status === 200, 'somebody who can')
  })
}

t.test(
  'a client passes where a role is asked for or clients are let in, and nowhere else',
  async (t) => {
    const service = await listeningApp(t)
    const token = await tokenOf(service.app, await addClient(service, 'reports', ['user']))
    const verifier = startVerifier(t, service.origin)
    await verifier.ready
    const cases: [rules: TokenRules, status: number][] = [
      [{}, 403],
      [{ role: 'user' }, 200],
      [{ role: 'admin' }, 403],
      [{ admitsClients: true }, 200],
      [{ role: 'user', admitsClients: false }, 403],
    ]
    const app = Fastify()
    for (const [nth, [rules]] of cases.entries()) {
      app.get(`/${nth}`, { preHandler: fastifyToken(verifier, rules) }, () => 'in')
    }
    t.teardown(() => app.close())
    const guards = cases.map(([rules]) => requireToken(verifier, rules))
    const server = createServer((request, response) =>
      guards[Number(request.url?.slice(1))]?.(request, response, () => response.end('in')),
    )
    const origin = await listen(t, server)
    for (const [nth, [rules, status]] of cases.entries()) {
      const headers = bearer(token)
      const { statusCode } = await app.inject({ url: `/${nth}`, headers })
      t.equal(statusCode, status, `Fastify: ${JSON.stringify(rules)}`)
      const answer = await fetch(`${origin}/${nth}`, { headers })
      t.equal(answer.status, status, `node:http: ${JSON.stringify(rules)}`)
    }
  },
)
