import { Agent, METHODS, request as send } from 'node:http'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { listeningApp, logIn, signUp, testApp, verifyEmails, type TestApp } from '../support/app.js'
import { testDatabase } from '../support/database.js'
import { exchange, toBytes } from '../support/http/connection.js'
import { collectRoutes, type Route } from '../support/http/route-table.js'
import { picture } from '../support/pictures.js'
import { readTables } from '../support/tables.js'

/** Of these GET changes something, or may. */
const unsafe = [
  '/logout',
  '/user/logout',
  '/user/logout/',
  '/user/refresh-token',
  '/user/refresh-token/',
  '/oauth/authorize',
  '/auth/:provider',
  '/auth/:provider/callback',
  '/forward-auth/login',
  '/forward-auth/callback',
  '/forward-auth/logout',
]
// The length changes from one reply to the next.
const isLive = (url: string) => ['/metrics', '/.well-known/revocations'].includes(url)

const env = { RATE_LIMIT: 'on', NODE_ENV: 'test', CORS_ORIGINS: 'https://www.example.org' }
const ada = { email: 'ada@example.org', username: 'ada', password: 'correct horse battery' }
const bob = { email: 'bob@example.org', username: 'bob', password: 'correct horse battery' }

const collected = collectRoutes()

/** By path: the methods of its routes, HEAD and OPTIONS among them, and a path of an existing user. */
function pathsOf(userId: string) {
  const paths = new Map<string, { url: string; path: string; methods: Set<string>; route: Route }>()
  for (const route of collected.filter((one) => !one.isForAny)) {
    const { url, method } = route
    const path = url.replace(/:(id|uuid)/, userId).replace(/:\w+/g, 'admin')
    const known = paths.get(url) ?? { url, path, route, methods: new Set(['OPTIONS']) }
    known.methods.add(method)
    if (method === 'GET' && !unsafe.includes(url)) known.methods.add('HEAD')
    paths.set(url, known)
  }
  return [...paths.values()]
}

/** A database with a user who has a picture and a README, an administrator, and their credentials. */
async function prepared(t: Test) {
  const url = await testDatabase(t)
  const service = await testApp(t, { url })
  const { app, sql } = service
  const { user } = await signUp(app, ada)
  await verifyEmails(service)
  const { user: admin } = await signUp(app, bob)
  await sql(`insert into user_roles values ($1, 'admin')`, [admin.id])
  const asAda = await logIn(app, ada)
  const authorization = `Bearer ${asAda.access_token}`
  for (const [path, bytes] of [
    ['/api/upload-picture', await picture('png')],
    ['/api/upload_readme', Buffer.from('# Ada')],
  ] as const) {
    const form = new FormData()
    form.append('file', new Blob([Uint8Array.from(bytes)]), 'file')
    const body = new Response(form)
    const answer = await app.inject({
      method: 'POST',
      url: path,
      headers: { authorization, 'content-type': body.headers.get('content-type')! },
      payload: Buffer.from(await body.arrayBuffer()),
    })
    if (answer.statusCode !== 200) throw new Error(answer.body)
  }
  // A later access token is of a later generation, and its first use would be recorded.
  const refreshed = await app.inject({
    method: 'POST',
    url: '/api/refresh',
    payload: { refresh_token: asAda.refresh_token },
  })
  const { access_token, refresh_token } = refreshed.json<{
    access_token: string
    refresh_token: string
  }>()
  const asBob = await logIn(app, bob)
  await app.close()
  const callers: Record<string, string[]> = {
    nobody: [],
    'a browser': ['Accept: text/html'],
    'a user': [`Authorization: Bearer ${access_token}`],
    'an administrator': [`Authorization: Bearer ${asBob.access_token}`],
    'a cookie': [`Cookie: session=${access_token}; refresh=${refresh_token}; flash=logged_in`],
    'a cookie to renew': ['Accept: text/html', `Cookie: refresh=${refresh_token}`],
    'a bad token': ['Authorization: Bearer x.y.z', 'Cookie: session=a; session=b'],
  }
  return { url, id: user.id, callers }
}

/** Calls `work` with an instance of its own, and returns the tables before and after. */
async function tablesAround(
  t: Test,
  url: string,
  work: (service: TestApp & { origin: string }) => Promise<void>,
) {
  const service = await listeningApp(t, { url, env })
  const before = await readTables(service)
  await work(service)
  await service.app.close() // what it writes later is written now
  return { before, after: await readTables(service) }
}

t.test('HEAD on every route changes nothing, and has the headers of GET', async (t) => {
  const { url, id, callers } = await prepared(t)
  const statuses: Record<string, number[]> = {}
  const { before, after } = await tablesAround(t, url, async ({ origin }) => {
    for (const [caller, headers] of Object.entries(callers)) {
      for (const { url, path, methods } of pathsOf(id)) {
        const name = `${url}, ${caller}`
        const bytes = toBytes({ method: 'HEAD', target: path, headers })
        const { answers, rest, end } = await exchange(origin, bytes)
        t.strictSame([answers.length, rest, end], [1, '', 'closed'], `${name}: no body`)
        const [answer] = answers
        t.notOk(answer!.headers['set-cookie'], name)
        t.notOk(answer!.headers['ratelimit-remaining'], name)
        t.match(answer!.headers, { 'x-request-id': /./, 'x-content-type-options': 'nosniff' }, name)
        if (!methods.has('HEAD')) t.equal(answer!.status, 405, name)
        ;(statuses[url] ??= []).push(answer!.status)
      }
    }
  })
  t.strictSame(after, before, 'every table is as it was')
  t.ok(Object.keys(before).length > 10)
  for (const url of ['/health/live', '/health/ready', '/metrics', '/openapi.json', '/docs']) {
    t.ok(
      statuses[url]?.every((status) => status === 200),
      url,
    )
  }
  t.strictSame(statuses['/api/users'], [401, 401, 403, 200, 403, 401, 401])
  t.strictSame(statuses['/api/user'], [401, 401, 200, 200, 200, 401, 401])

  const { app } = await testApp(t, { url })
  for (const { url, path, methods } of pathsOf(id).filter((one) => one.methods.has('HEAD'))) {
    for (const caller of ['nobody', 'an administrator', 'a browser'] as const) {
      const headers = Object.fromEntries(callers[caller]!.map((line) => line.split(': ')))
      const head = await app.inject({ method: 'HEAD', url: path, headers })
      const get = await app.inject({ method: 'GET', url: path, headers })
      const kept = ({ statusCode, headers }: typeof get) => ({
        statusCode,
        type: headers['content-type'],
        etag: headers.etag,
        cache: headers['cache-control'],
        location: headers.location,
        length: isLive(url) ? 'any' : headers['content-length'],
      })
      t.strictSame(kept(head), kept(get), `${url}, ${caller}: ${[...methods].join()}`)
      if (head.statusCode !== 200) continue
      t.ok(Number(head.headers['content-length']) > 0, url)
      if (head.headers.etag === undefined) continue
      const conditional = { ...headers, 'if-none-match': head.headers.etag }
      const known = await app.inject({ method: 'HEAD', url: path, headers: conditional })
      t.equal(known.statusCode, 304, url)
      t.notOk(known.headers['content-length'], `${url}: the length of a 304 is not 0`)
    }
  }
})

t.test('another method on a known path gets 405 with Allow, and costs nothing', async (t) => {
  const { url, id, callers } = await prepared(t)
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  const { before, after } = await tablesAround(t, url, async ({ origin }) => {
    for (const { url, path, methods, route } of pathsOf(id)) {
      const allow = [...methods].sort().join(', ')
      for (const method of METHODS.filter((one) => one !== 'CONNECT' && !methods.has(one))) {
        const answer = await ask(origin + path, method, callers['a user'])
        t.equal(answer.status, 405, `${method} ${url}`)
        t.equal(answer.headers.allow, allow, `${method} ${url}`)
        t.notOk(answer.headers['ratelimit-remaining'], `${method} ${url}`)
        if (method !== 'HEAD') t.match(JSON.parse(answer.body), refusalOf(route), url)
      }
      const options = await ask(origin + path, 'OPTIONS')
      t.strictSame([options.status, options.headers.allow, options.body], [204, allow, ''], url)
    }
  })
  t.strictSame(after, before, 'every table is as it was')

  async function ask(url: string, method: string, lines: string[] = []) {
    const headers = Object.fromEntries(lines.map((line) => line.split(': ')))
    const request = send(url, { method, headers, agent })
    request.end()
    return new Promise<{ status: number; headers: Record<string, unknown>; body: string }>(
      (resolve, reject) => {
        request.on('error', reject)
        request.on('response', (response) => {
          text(response).then(
            (body) => resolve({ status: response.statusCode!, headers: response.headers, body }),
            reject,
          )
        })
      },
    )
  }
})

/** The error in the words of the path: ours, those of OAuth, or those of an older system. */
function refusalOf({ speaks, url }: Route): object {
  const message = 'This path does not have this method'
  if (speaks === 'oauth' && url.startsWith('/oauth/')) {
    return { error: 'invalid_request', error_description: message }
  }
  if (speaks !== 'dialect') return { status: 'error', code: 'method_not_allowed', message }
  return url.startsWith('/api/v1') ? { error: message } : { message }
}

t.test('a 405 does not read the body, and is a page for a browser', async (t) => {
  const { app } = await testApp(t)
  const page = await app.inject({ method: 'PUT', url: '/login', headers: { accept: 'text/html' } })
  t.match(page, { statusCode: 405, headers: { allow: 'GET, HEAD, OPTIONS, POST' } })
  t.match(page.body, 'This path does not have this method')
  for (const headers of [{ 'content-type': 'nonsense' }, { 'content-type': 'application/json' }]) {
    const answer = await app.inject({ method: 'PUT', url: '/api/login', headers, payload: '{' })
    t.match(answer, { statusCode: 405, headers: { allow: 'OPTIONS, POST' } })
  }
  for (const method of ['DELETE', 'PATCH', 'HEAD'] as const) {
    const answer = await app.inject({ method, url: '/user/logout' })
    t.match(answer, { statusCode: 405, headers: { allow: 'GET, OPTIONS' } }, 'not /user/:uuid')
  }
  for (const method of ['GET', 'PUT', 'OPTIONS', 'HEAD'] as const) {
    const answer = await app.inject({ method, url: '/api/nowhere' })
    t.match(answer, { statusCode: 404, headers: { allow: undefined } }, method)
  }
})

t.test('a preflight stays one, and OPTIONS without its headers has Allow', async (t) => {
  const { app } = await testApp(t, { env })
  const origin = 'https://www.example.org'
  const preflight = { origin, 'access-control-request-method': 'POST' }
  const ask = (headers: Record<string, string>, url = '/api/login') =>
    app.inject({ method: 'OPTIONS', url, headers })
  t.match(await ask(preflight), {
    statusCode: 204,
    headers: { 'access-control-allow-origin': origin, 'access-control-allow-methods': /POST/ },
  })
  const plain: Record<string, string>[] = [
    {},
    { origin },
    { 'access-control-request-method': 'POST' },
  ]
  for (const headers of plain) {
    t.match(await ask(headers), { statusCode: 204, headers: { allow: 'OPTIONS, POST' } })
  }
  t.equal((await ask({}, '/nowhere')).statusCode, 404)
  t.equal((await ask({}, '/forward-auth')).statusCode, 401, 'OPTIONS is of another request there')
})
