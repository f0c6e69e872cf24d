import { METHODS } from 'node:http'
import t from 'tap'
import { bearer, testApp } from '../support/app.js'
import { signedIn, type Headers } from '../support/forward-auth.js'
import { createAdmin, createClient } from '../support/http/client.js'
import { exchange, toBytes } from '../support/http/connection.js'
import { until } from '../support/until.js'

t.test('every method gets the same answer, and the body is ignored', async (t) => {
  const { origin, token } = await signedIn(t)
  const authorization = `Authorization: ${token.authorization}`
  const types = ['application/json', 'nonsense', 'multipart/form-data', 'a/b; charset=x', '']
  for (const method of METHODS.filter((one) => one !== 'CONNECT')) {
    for (const [headers, status] of [
      [[authorization], 200],
      [[], 401],
    ] as [string[], number][]) {
      for (const target of ['/forward-auth', '/forward-auth/role/user']) {
        const { answers } = await exchange(origin, toBytes({ method, target, headers }))
        t.equal(answers[0]?.status, status, `${method} ${target}`)
      }
    }
    for (const type of types) {
      const headers = [authorization, ...(type ? [`Content-Type: ${type}`] : [])]
      const request = { method, target: '/forward-auth', headers, body: '{"role":"x","__proto__":' }
      const { answers } = await exchange(origin, toBytes(request))
      t.match(answers[0], { status: 200, body: '' }, `${method} with ${type}`)
    }
  }
})

t.test('an endless or large body does not delay the answer', async (t) => {
  const { origin, token } = await signedIn(t)
  const headers = [`Authorization: ${token.authorization}`]
  for (const more of [
    { body: 'x'.repeat(1_000_000) },
    { body: '5\r\nhell', measured: false, headers: [...headers, 'Transfer-Encoding: chunked'] },
    { body: 'x', measured: false, headers: [...headers, 'Content-Length: 100'] },
  ]) {
    const request = toBytes({ method: 'POST', target: '/forward-auth', headers, ...more })
    const { answers } = await exchange(origin, request)
    t.equal(answers[0]?.status, 200)
  }
})

t.test('a refusal is a 401 with a challenge, in JSON', async (t) => {
  const { ask, refresh_token, access_token } = await signedIn(t)
  for (const headers of [
    {},
    { authorization: 'Bearer x.y.z' },
    { authorization: 'Basic YWRhOmFkYQ==' },
    { authorization: `Bearer ${refresh_token}` },
    { authorization: access_token },
    { authorization: 'Bearer ', cookie: `session=${access_token}` },
    { cookie: 'session=x' },
    { cookie: `session=${refresh_token}` },
    { cookie: `refresh=${refresh_token}` },
    { cookie: `Session=${access_token}` },
    { 'remote-user': 'admin', 'remote-groups': 'admin', 'x-forwarded-user': 'admin' },
  ] as Headers[]) {
    const answer = await ask(headers)
    t.equal(answer.statusCode, 401, JSON.stringify(headers))
    t.match(answer.headers['www-authenticate'], /^Bearer realm="gatehouse"/)
    t.match(answer.headers, { 'cache-control': 'no-store' })
    t.match(answer.json(), { status: 'error', code: 'invalid_token' })
    for (const name of ['user', 'email', 'name', 'groups']) {
      t.equal(answer.headers[`remote-${name}`], undefined, `without Remote-${name}`)
    }
    t.equal(answer.headers.location, undefined)
  }
})

t.test('a token is refused after its user is disabled', async (t) => {
  const { ask, sql, user, access_token, token } = await signedIn(t)
  const cookie = { cookie: `session=${access_token}` }
  t.equal((await ask(cookie)).statusCode, 200)
  await sql('update users set disabled_at = now() where id = $1', [user.id])
  await until(async () => (await ask(token)).statusCode === 401, 'the change to reach the instance')
  for (const by of [token, cookie]) t.match((await ask(by)).json(), { code: 'token_stale' })
})

t.test('a token is refused after the logout', async (t) => {
  const { app, ask, access_token, token } = await signedIn(t)
  const cookie = { cookie: `session=${access_token}` }
  await app.inject({ method: 'POST', url: '/api/logout', headers: token })
  for (const by of [token, cookie]) t.match((await ask(by)).json(), { code: 'invalid_token' })
})

t.test('only the path defines the required role', async (t) => {
  const service = await testApp(t)
  const user = await createClient(service)
  const admin = await createAdmin(service)
  const ask = (url: string, { login }: typeof user, headers: Headers = {}) =>
    service.app.inject({ url, headers: { ...bearer(login.access_token), ...headers } })
  const path = '/forward-auth/role/admin'
  t.equal((await ask(path, admin)).statusCode, 200)
  t.match((await ask(path, admin)).headers, { 'remote-groups': 'admin,user' })
  const refusal = await ask(path, user)
  t.match(refusal.json(), { code: 'forbidden' })
  t.equal(refusal.headers['remote-user'], undefined)

  const tricks: Headers[] = [
    { 'x-forwarded-uri': '/forward-auth' },
    { 'x-forwarded-uri': '/forward-auth/role/user', 'x-original-url': '/forward-auth/role/user' },
    { 'x-rewrite-url': '/forward-auth', 'x-original-uri': '/forward-auth' },
    { 'x-forwarded-method': 'OPTIONS', 'x-http-method-override': 'GET' },
    { 'x-forwarded-prefix': '/x', 'x-forwarded-host': 'localhost', 'x-forwarded-for': '127.0.0.1' },
    { 'remote-groups': 'admin', remote_groups: 'admin', role: 'admin' },
    { connection: 'close, authorization' },
  ]
  for (const headers of tricks) {
    t.equal((await ask(path, user, headers)).statusCode, 403, JSON.stringify(headers))
    t.equal((await ask('/forward-auth', user, headers)).statusCode, 200, JSON.stringify(headers))
  }
  for (const query of [
    'role=user',
    'role=',
    'skip=true',
    'redirect=1',
    'x=/forward-auth/role/user',
  ]) {
    t.equal((await ask(`${path}?${query}`, user)).statusCode, 403, query)
    t.equal((await ask(`/forward-auth?${query}`, user)).statusCode, 200, query)
  }
  for (const [role, status] of [
    ['nobody', 403],
    ['constructor', 403],
    ['Admin', 400],
    ['admin,user', 400],
    ['user%2Cadmin', 400],
    ['%61dmin', 403],
    ['user%2f..%2fadmin', 400],
    ['user%00', 400],
    ['__proto__', 400],
    ['user/admin', 404],
    ['', 400],
  ] as const) {
    t.equal((await ask(`/forward-auth/role/${role}`, user)).statusCode, status, role)
  }
  for (const other of ['//', '/x', '/role', '/role/user/']) {
    const { statusCode } = await ask(`/forward-auth${other}`, user)
    t.ok(statusCode === 404 || statusCode === 400, `${other}: ${statusCode}`)
  }
})

t.test('an instance without denylist updates and database refuses every request', async (t) => {
  const { ask, sql, token } = await signedIn(t)
  await sql('alter table token_denylist rename to gone')
  await until(async () => (await ask(token)).statusCode !== 200, 'the end of the lease')
  const { statusCode, headers } = await ask({ ...token, accept: 'text/html' })
  t.equal(statusCode, 503)
  t.ok(headers['retry-after'])
  await sql('alter table gone rename to token_denylist')
  await until(async () => (await ask(token)).statusCode === 200, 'the replica to be up to date')
})
