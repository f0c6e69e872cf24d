import t, { type Test } from 'tap'
import { bearer, signUp, testApp } from '../support/app.js'

type Line = { msg: string; level: string; reqId: string; status: number; ms: number; req: unknown }

async function logged(t: Test, LOG_LEVEL: string, env: Record<string, string> = {}) {
  const lines: Line[] = []
  const logTo = { write: (line: string) => void lines.push(JSON.parse(line) as Line) }
  const { app, sql } = await testApp(t, { env: { LOG_LEVEL, ...env }, logTo })
  return { app, sql, lines, requests: () => lines.filter(({ msg }) => msg === 'request') }
}

t.test('who is refused leaves a line, which says who, what and how, and no more', async (t) => {
  const { app, requests } = await logged(t, 'info')
  await signUp(app)
  const start = performance.now()
  await app.inject({ url: '/api/user?token=secret', headers: bearer('of.another.kind') })
  await app.inject('/nowhere')
  t.match(requests(), [
    { level: 'info', status: 401, reqId: /^[0-9a-f-]{36}$/ },
    { status: 404, req: { path: '/nowhere' } },
  ])
  t.ok(requests().every(({ ms }) => ms >= 0 && ms < performance.now() - start))
  t.strictSame(requests()[0]?.req, { method: 'GET', path: '/api/user', ip: '127.0.0.1' })
  t.notMatch(JSON.stringify(requests()), /secret|another/)
})

t.test('so does everybody at debug; each request has a UUID of its own', async (t) => {
  const { app, requests } = await logged(t, 'debug')
  for (let count = 0; count < 20; count += 1) await app.inject('/health/live')
  t.same(new Set(requests().map(({ status }) => status)), new Set([200]))
  const ids = new Set(requests().map(({ reqId }) => reqId))
  t.equal(ids.size, 20)
  for (const id of ids)
    t.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
})

t.test('whatever ends a request, it is measured from its arrival', async (t) => {
  const env = { CORS_ORIGINS: 'https://www.example.org' }
  const { app, requests } = await logged(t, 'debug', env)
  const start = performance.now()
  const headers = { origin: 'https://www.example.org', 'access-control-request-method': 'POST' }
  await app.inject({ method: 'OPTIONS', url: '/api/login', headers })
  await app.inject({
    method: 'POST',
    url: '/api/login',
    headers: { 'content-type': 'application/json' },
    payload: '{',
  })
  await app.inject({ method: 'PUT', url: '/forward-auth' })
  t.same(
    requests().map(({ status }) => status),
    [204, 400, 401],
  )
  t.ok(requests().every(({ ms }) => ms >= 0 && ms < performance.now() - start))
})

t.test('what a request came for is in the line of its failure too', async (t) => {
  const { app, sql, lines } = await logged(t, 'info')
  const { access_token } = await signUp(app)
  await sql('alter table users rename to people')
  const { statusCode } = await app.inject({ url: '/api/user', headers: bearer(access_token) })
  t.equal(statusCode, 500)
  const [failure, request] = lines.slice(-2)
  t.match([failure?.level, request?.level], ['error', 'info'])
  t.equal(failure?.reqId, request?.reqId)
})

t.test('what a handler does wrong is in the log, though Fastify has none of its own', async (t) => {
  const { app, lines } = await logged(t, 'info')
  app.get('/twice', { schema: { hide: true } }, (_request, reply) => {
    void reply.send('once')
    void reply.send('twice')
  })
  t.equal((await app.inject('/twice')).body, 'once')
  t.match(lines, [{ level: 'warn', err: { code: 'FST_ERR_REP_ALREADY_SENT' } }])
})
