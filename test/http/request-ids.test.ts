import t, { type Test } from 'tap'
import { createRequestIds } from '../../src/http/request-ids.js'
import { listeningApp } from '../support/app.js'
import { exchange, toBytes, type RawRequest } from '../support/http/connection.js'
import { until } from '../support/until.js'

type Line = { msg: string; reqId?: string }

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

async function listening(t: Test, env: Record<string, string> = {}) {
  const lines: Line[] = []
  const logTo = { write: (line: string) => void lines.push(JSON.parse(line) as Line) }
  const { origin } = await listeningApp(t, { env: { LOG_LEVEL: 'debug', ...env }, logTo })
  const ask = async (request: RawRequest | Buffer) => {
    const bytes = Buffer.isBuffer(request) ? request : toBytes(request)
    const { answers } = await exchange(origin, bytes)
    return answers[0]!
  }
  const isLogged = (id: string) => lines.some(({ reqId }) => reqId === id)
  return { ask, isLogged }
}

const json = (body: string) => ({ headers: ['Content-Type: application/json'], body })

t.test('every reply has an id of its own, which is in the log', async (t) => {
  const { ask, isLogged } = await listening(t, { CORS_ORIGINS: 'https://www.example.org' })
  const preflight = ['Origin: https://www.example.org', 'Access-Control-Request-Method: POST']
  const requests: [name: string, status: number, request: RawRequest | Buffer][] = [
    ['a success', 200, { target: '/health/live' }],
    ['HEAD', 200, { method: 'HEAD', target: '/health/live' }],
    ['a page', 200, { target: '/login' }],
    ['a redirect', 303, { target: '/welcome' }],
    ['no token', 401, { target: '/api/user' }],
    ['a proxy', 401, { target: '/forward-auth' }],
    ['an unknown path', 404, { target: '/nowhere' }],
    ['another method', 405, { method: 'PUT', target: '/api/login' }],
    ['OPTIONS', 204, { method: 'OPTIONS', target: '/api/login' }],
    ['a preflight', 204, { method: 'OPTIONS', target: '/api/login', headers: preflight }],
    ['malformed JSON', 400, { method: 'POST', target: '/api/login', ...json('{') }],
    ['a long body', 413, { method: 'POST', target: '/api/login', ...json('1'.repeat(20_000)) }],
    ['a dialect', 400, { method: 'POST', target: '/user/login', ...json('{}') }],
    ['OAuth', 400, { method: 'POST', target: '/oauth/token', ...json('{}') }],
    ['a bad escape', 400, { target: '/%zz' }],
    ['a long parameter', 414, { target: `/api/users/${'a'.repeat(300)}/picture` }],
    ['two Hosts', 400, { headers: ['Host: a', 'Host: b'] }],
    ['many headers', 431, { headers: Array.from({ length: 250 }, () => 'a: b') }],
    ['long headers', 431, { headers: [`X: ${'a'.repeat(20_000)}`] }],
    ['no HTTP', 400, Buffer.from('nonsense\r\n\r\n')],
  ]
  const ids = new Set<string>()
  for (const [name, status, request] of requests) {
    const answer = await ask(request)
    const id = answer.headers['x-request-id'] ?? ''
    t.equal(answer.status, status, name)
    t.match(id, uuid, name)
    ids.add(id)
    await until(() => isLogged(id), `${name} in the log`)
  }
  t.equal(ids.size, requests.length)
})

t.test('only a trusted proxy names a request, in 64 safe characters', async (t) => {
  const behind = await listening(t, { TRUST_PROXY: 'loopback' })
  for (const id of ['a', 'A.b_c-9', 'x'.repeat(64), '7f3c9c1e-5d0b-4b8e-9a55-0c1f8d2e3a4b']) {
    const { headers } = await behind.ask({ headers: [`X-Request-Id: ${id}`] })
    t.equal(headers['x-request-id'], id)
    await until(() => behind.isLogged(id), 'the same id in the log')
  }
  const wrong = ['', 'x'.repeat(65), 'a b', 'a@b', 'a,b', '\xe9', '"a"', '%0a', 'a/b']
  for (const id of wrong) {
    const { headers } = await behind.ask({ headers: [`X-Request-Id: ${id}`] })
    t.match(headers['x-request-id'], uuid, id)
  }
  const twice = await behind.ask({ headers: ['X-Request-Id: a', 'X-Request-Id: b'] })
  t.match(twice.headers['x-request-id'], uuid)
  for (const TRUST_PROXY of ['none', '10.0.0.0/8']) {
    const { ask } = await listening(t, { TRUST_PROXY })
    const { headers } = await ask({ headers: ['X-Request-Id: a', 'X-Forwarded-For: 10.0.0.1'] })
    t.match(headers['x-request-id'], uuid, TRUST_PROXY)
  }
})

t.test('a page of a listed origin may read the id', async (t) => {
  const { ask } = await listening(t, { CORS_ORIGINS: 'https://www.example.org' })
  const { headers } = await ask({ headers: ['Origin: https://www.example.org'] })
  t.match(headers['access-control-expose-headers'], /\bX-Request-Id\b/)
})

t.test('two instances give no id twice', (t) => {
  const [one, other] = [createRequestIds(() => false), createRequestIds(() => false)]
  const ids = new Set(Array.from({ length: 1_000 }, () => [one(), other()]).flat())
  t.equal(ids.size, 2_000)
  t.end()
})
