import t from 'tap'
import { release as version } from '../../src/config/release.js'
import { AppError } from '../../src/errors.js'
import { createLogger } from '../../src/log/logger.js'
import { ada, bearer, signUp, testApp } from '../support/app.js'
import { testDatabase } from '../support/database.js'

t.test('what nobody foresaw is answered without a word of it, and logged', async (t) => {
  const lines: string[] = []
  const { app, sql } = await testApp(t, {
    env: { LOG_LEVEL: 'error' },
    logTo: { write: (line) => lines.push(line) },
  })
  const { access_token } = await signUp(app)
  await sql('alter table users rename column gender to sex')
  const answer = await app.inject({ url: '/api/user', headers: bearer(access_token) })
  t.equal(answer.statusCode, 500)
  t.same(answer.json(), { status: 'error', code: 'internal', message: 'Internal error' })
  t.match(lines.join(''), 'gender')
})

t.test('a database that is gone is 503 with Retry-After, and health says so', async (t) => {
  const { app, db } = await testApp(t)
  const { access_token } = await signUp(app)
  db.query = () => Promise.reject(new AppError('unavailable'))
  db.queryWithoutWaiting = db.query
  const requests = [
    { url: '/api/user', headers: bearer(access_token) },
    { url: '/health/ready' },
    {
      method: 'POST' as const,
      url: '/api/login',
      payload: { email: 'a@b.example', password: 'x' },
    },
  ]
  for (const request of requests) {
    const answer = await app.inject(request)
    t.equal(answer.statusCode, 503)
    t.equal(answer.headers['retry-after'], '1')
    t.same(answer.json(), {
      status: 'error',
      code: 'unavailable',
      message: 'Temporarily unavailable: try again soon',
      ...(request.url === '/health/ready' && { version, reason: 'database_unreachable' }),
    })
  }
  t.equal((await app.inject('/health/live')).statusCode, 200)
})

t.test('the debug log tells why, and nothing of the row', async (t) => {
  const lines: string[] = []
  const url = await testDatabase(t)
  const logger = createLogger('debug', { write: (line) => lines.push(line) })
  const { app } = await testApp(t, { url, logger })
  const username = 'lovelace-1815'
  await signUp(app, { ...ada, username })
  const { access_token } = await signUp(app, { ...ada, email: 'eve@example.org' })
  const answer = await app.inject({
    method: 'PATCH',
    url: '/api/user',
    headers: bearer(access_token),
    payload: { username },
  })
  t.equal(answer.statusCode, 409)
  t.match(lines.join(''), /users_username_key/)
  t.notMatch(lines.join(''), username)
})

t.test('an unknown path is 404 in the one shape', async (t) => {
  const { app } = await testApp(t)
  t.same((await app.inject('/nowhere')).json(), {
    status: 'error',
    code: 'not_found',
    message: 'Not found',
  })
})

t.test('every reply, errors too, bears the security headers', async (t) => {
  const { app } = await testApp(t)
  for (const url of ['/health/live', '/nowhere', '/api/user']) {
    const { headers } = await app.inject(url)
    t.match(headers, {
      'content-security-policy': /default-src 'none'.*frame-ancestors 'none'/,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'strict-transport-security': 'max-age=31536000',
      'cache-control': 'no-store',
    })
    t.notOk('x-powered-by' in headers)
  }
})

t.test('only a listed origin may read across origins', async (t) => {
  const { app } = await testApp(t, { env: { CORS_ORIGINS: 'https://www.example.org' } })
  const preflight = async (origin: string) => {
    const headers = { origin, 'access-control-request-method': 'POST' }
    return (await app.inject({ method: 'OPTIONS', url: '/api/login', headers })).headers
  }
  t.match(await preflight('https://www.example.org'), {
    'access-control-allow-origin': 'https://www.example.org',
    'access-control-allow-credentials': 'true',
  })
  for (const origin of [
    'https://evil.example',
    'null',
    'https://www.example.org.evil.example',
    'http://www.example.org',
  ]) {
    t.notOk('access-control-allow-origin' in (await preflight(origin)), origin)
  }
})
