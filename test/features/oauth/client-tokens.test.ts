import t from 'tap'
import { bearer, testApp, type TestApp } from '../../support/app.js'
import type { Client } from '../../support/http/client.js'
import { ask, createVictim, stateOf } from '../../support/http/matrix.js'
import { collectRoutes, nameOf, type Route } from '../../support/http/route-table.js'
import { addClient, tokenOf } from '../../support/oauth.js'

const collected = collectRoutes()
const routes = () => [...new Map(collected.map((route) => [nameOf(route), route])).values()]

/** Routes that take a refresh token, which a client does not have, or client credentials. */
const isByOther = (route: Route) =>
  /^(POST \/api\/refresh|GET \/user\/refresh-token\/?)$/.test(nameOf(route)) ||
  route.speaks === 'oauth' ||
  route.url.startsWith('/device') || // only the cookie of a browser counts there
  route.isForAny // forward-auth: an app may have services for users

/** The part of a client that ask() uses. */
const holderOf = (access_token: string) => ({ login: { access_token } }) as Client

async function closedRoutes(service: TestApp): Promise<Route[]> {
  const victim = await createVictim(service)
  const closed: Route[] = []
  for (const route of routes().filter((one) => !isByOther(one))) {
    const { statusCode, headers } = await ask(service, route, victim)
    const isLogin = /\/login\/?$/.test(route.url)
    if (statusCode === 401 && headers['www-authenticate'] && !isLogin) closed.push(route)
  }
  return closed
}

t.test('a client without a role gets 403 from every route that needs a token', async (t) => {
  const service = await testApp(t)
  const closed = await closedRoutes(service)
  t.ok(closed.length > 40, `${closed.length} routes`)
  const victim = await createVictim(service)
  const holder = holderOf(await tokenOf(service.app, await addClient(service, 'reports', ['user'])))
  const before = await stateOf(service, victim)
  for (const route of closed) {
    const answer = await ask(service, route, victim, holder)
    t.equal(answer.statusCode, 403, `${nameOf(route)}: ${answer.body}`)
    if (!/dialect|page/.test(route.speaks)) t.match(answer.json(), { code: 'forbidden' })
  }
  t.strictSame(await stateOf(service, victim), before)
})

t.test(
  'a client with the role admin can use the admin routes, but no route for users',
  async (t) => {
    const service = await testApp(t)
    const { app } = service
    const closed = await closedRoutes(service)
    const holder = holderOf(await tokenOf(app, await addClient(service, 'reports', ['admin'])))
    const outcomes = new Map<string, number>()
    for (const route of closed) {
      const answer = await ask(service, route, await createVictim(service), holder)
      outcomes.set(nameOf(route), answer.statusCode)
    }
    const isForAdmins =
      /^\w+ \/api\/(users|roles|audit|invitations|v1\/roles|v1\/users)|^GET \/user\/?$/
    // The victim has no second factor and is no invitation.
    const isMissing = /^DELETE \/api\/(invitations\/:id|users\/:id\/factors)$/
    for (const [name, status] of outcomes) {
      if (isMissing.test(name)) t.equal(status, 404, name)
      else if (isForAdmins.test(name)) t.ok(status === 200 || status === 201, `${name}: ${status}`)
      else t.equal(status, 403, name)
    }
    t.ok([...outcomes.values()].filter((status) => status < 300).length > 15)
  },
)

t.test('forward-auth accepts a client with the role, without user headers', async (t) => {
  const service = await testApp(t)
  const { app } = service
  const token = await tokenOf(app, await addClient(service, 'reports', ['user']))
  for (const headers of [bearer(token), { cookie: `session=${token}` }]) {
    const answer = await app.inject({ url: '/forward-auth/role/user', headers })
    t.equal(answer.statusCode, 200)
    const nobody = { 'remote-user': '', 'remote-email': '', 'remote-name': '' }
    t.match(answer.headers, { ...nobody, 'remote-groups': 'user' })
    for (const url of ['/forward-auth/role/admin', '/forward-auth']) {
      const refused = await app.inject({ url, headers })
      t.match(refused.json(), { code: 'forbidden' }, url)
      t.equal(refused.statusCode, 403, url)
      t.equal(refused.headers['remote-user'], undefined)
    }
  }
})

t.test('forward-auth refuses a client without a role', async (t) => {
  const service = await testApp(t)
  const headers = bearer(await tokenOf(service.app, await addClient(service)))
  for (const url of ['/forward-auth', '/forward-auth/role/user']) {
    for (const method of ['GET', 'POST', 'OPTIONS'] as const) {
      const answer = await service.app.inject({ method, url, headers })
      t.equal(answer.statusCode, 403, `${method} ${url}`)
    }
  }
})

t.test('the audit log has the id of the client as the actor', async (t) => {
  const service = await testApp(t)
  const { app, sql } = service
  const token = await tokenOf(app, await addClient(service, 'reports', ['admin']))
  const payload = { name: 'made-by-a-client' }
  await app.inject({ method: 'POST', url: '/api/roles', headers: bearer(token), payload })
  const [row] = await sql<{ id: string }>('select id from clients')
  t.strictSame(await sql(`select actor_id, detail from audit_log where event = 'role.created'`), [
    { actor_id: row?.id, detail: { role: payload.name } },
  ])
  const log = await app.inject({ url: '/api/audit', headers: bearer(token) })
  t.equal(log.statusCode, 200)
})

t.test('pages and user routes refuse a client token in the session cookie', async (t) => {
  const service = await testApp(t)
  const token = await tokenOf(service.app, await addClient(service, 'reports', ['admin']))
  for (const url of ['/', '/welcome', '/api/user']) {
    const headers = { cookie: `session=${token}` }
    t.equal((await service.app.inject({ url, headers })).statusCode, 403, url)
  }
})

t.test('user routes do not find a client by its id', async (t) => {
  const service = await testApp(t)
  const { app, sql } = service
  const token = await tokenOf(app, await addClient(service))
  const { id } = (await sql<{ id: string }>('select id from clients'))[0]!
  t.equal((await app.inject({ url: `/api/users/${id}/picture` })).statusCode, 404)
  const answer = await app.inject({ method: 'POST', url: '/api/refresh', headers: bearer(token) })
  t.equal(answer.statusCode, 401, 'a client token cannot refresh')
})
