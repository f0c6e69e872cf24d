import pg from 'pg'
import t from 'tap'
import { createLimiter } from '../../../src/features/limits/limiter.js'
import { createCounterRepository } from '../../../src/features/limits/repository.js'
import { ada, bearer, signUp, testApp } from '../../support/app.js'

const budgets = {
  RATE_LIMIT_LOGIN: '5/15m',
  RATE_LIMIT_REGISTER: '5/1h',
  RATE_LIMIT_FORGOT: '5/1h',
  RATE_LIMIT_CODES: '5/15m',
  RATE_LIMIT_CLIENTS: '5/15m',
}
const wrong = 'wrong horse battery'
const basic = { authorization: `Basic ${btoa('nobody:secret')}` }

type Request = { url: string; payload: object; headers?: Record<string, string> }
type Case = { table: string; request: Request; then?: Partial<Request>; status: number }

t.test('a request that fails because of a locked table uses no budget', async (t) => {
  const { app, url, sql } = await testApp(t, { env: { RATE_LIMIT: 'on', ...budgets } })
  const { access_token } = await signUp(app)
  await sql('delete from rate_limits')
  const passwords = { old_password: ada.password, new_password: ada.password }
  const cases: Record<string, Case> = {
    'a login whose session cannot be stored': {
      table: 'sessions',
      request: { url: '/api/login', payload: ada },
      status: 200,
    },
    'a failed login that cannot be audited': {
      table: 'audit_log',
      request: { url: '/api/login', payload: { ...ada, password: wrong } },
      then: { payload: ada },
      status: 200,
    },
    'the login page': {
      table: 'sessions',
      request: { url: '/login', payload: { email: ada.email, password: ada.password } },
      status: 303,
    },
    'a registration': {
      table: 'users',
      request: { url: '/api/register', payload: { ...ada, email: 'bob@example.org' } },
      status: 201,
    },
    'a message': {
      table: 'outbox',
      request: { url: '/api/password/forgot', payload: { email: ada.email } },
      status: 202,
    },
    'a code': {
      table: 'one_time_codes',
      request: { url: '/api/activate', payload: { email: ada.email, code: '12345678' } },
      status: 400,
    },
    'a client': {
      table: 'clients',
      request: { url: '/oauth/introspect', payload: { token: 'a.b.c' }, headers: basic },
      status: 401,
    },
    'a changed password': {
      table: 'users',
      request: {
        url: '/api/user/password',
        payload: passwords,
        headers: bearer(access_token),
      },
      status: 200,
    },
  }
  for (const [name, { table, request, then, status }] of Object.entries(cases)) {
    const isForm = request.url === '/login' || request.url.startsWith('/oauth')
    const send = async (more: Partial<Request> = {}) => {
      const { headers, payload, url } = { ...request, ...more }
      const form = isForm && {
        payload: new URLSearchParams(payload as Record<string, string>).toString(),
        headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' },
      }
      const answer = await app.inject({
        method: 'POST',
        url,
        payload,
        ...(headers && { headers }),
        ...form,
      })
      return answer.statusCode
    }
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    await client.query(`begin; lock table ${table} in access exclusive mode`)
    const statuses = await Promise.all(Array.from({ length: 5 }, () => send()))
    await client.query('rollback')
    await client.end()
    t.same(statuses, Array(5).fill(503), name)
    const taken = `select * from rate_limits where key not like 'known:%'
      and (points > 0 or pending <> '{}')`
    t.same(await sql(taken), [], `${name}: no budget is used`)
    t.equal(await send(then), status, `${name}: afterwards`)
    await sql('delete from rate_limits')
  }
})

t.test('a login that is refused by the hash queue uses no budget', async (t) => {
  const env = { RATE_LIMIT: 'on', HASH_LANES: '1', HASH_QUEUE: '1', ARGON2_MEMORY: '19456' }
  const { app, sql } = await testApp(t, { env: { ...env, ...budgets } })
  await signUp(app)
  await sql('delete from rate_limits')
  const logIn = () => app.inject({ method: 'POST', url: '/api/login', payload: ada })
  const answers = await Promise.all(Array.from({ length: 5 }, logIn))
  const statuses = new Set(answers.map(({ statusCode }) => statusCode))
  t.same(statuses, new Set([200, 503]))
  t.same(await sql(`select from rate_limits where key not like 'known:%' and points > 0`), [])
  t.equal((await logIn()).statusCode, 200)
})

t.test('an unsettled reservation counts until it expires', async (t) => {
  const { db, sql } = await testApp(t)
  const clock = { now: Date.now() }
  const { reserve, settle } = createLimiter(createCounterRepository(db), { now: () => clock.now })
  const counter = { key: 'guess', max: 5, seconds: 900, doubles: true }
  const guess = () =>
    reserve([counter]).then(
      (reservation) => reservation,
      () => undefined,
    )
  const first = await Promise.all(Array.from({ length: 50 }, guess))
  const held = first.filter((reservation) => reservation !== undefined)
  t.equal(held.length, 5)
  clock.now += 29_999
  t.equal(await guess(), undefined)
  clock.now += 1
  const second = (await Promise.all(Array.from({ length: 50 }, guess))).flatMap((one) => one ?? [])
  t.equal(second.length, 5)

  const [late] = held
  await settle(late!, 'count')
  t.same(await sql('select points, cardinality(pending) as pending from rate_limits'), [
    { points: 1, pending: 5 },
  ])
  const [given, ...others] = second
  await settle(given!, 'keep')
  await settle(given!, 'keep')
  for (const one of others) await settle(one, 'count')
  t.same(
    await sql('select points, cardinality(pending) as pending from rate_limits'),
    [{ points: 5, pending: 0 }],
    'a reservation is returned once',
  )
})
