import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import t from 'tap'
import { ada, listeningApp, logIn, signUp, testApp, type LoginAnswer } from '../../support/app.js'

type Request = [url: string, payload: object]

const token = 'A'.repeat(43)
const new_password = 'another horse battery'
const proof = { email: ada.email, code: '00000000' }

const account = (nth: number) => ({ ...ada, email: `user-${nth}@example.org` })

/** The requests to every route that has a budget, and their status while the budget lasts. */
const budgets: Record<string, { status: number; seconds: number; requests: Request[] }> = {
  REGISTER: {
    status: 201,
    seconds: 3_600,
    requests: [1, 2, 3, 4].map((nth) => ['/api/register', account(nth)]),
  },
  FORGOT: {
    status: 202,
    seconds: 3_600,
    requests: [
      ['/api/password/forgot', { email: 'a@example.org' }],
      ['/api/activate/resend', { email: 'b@example.org' }],
      ['/api/password/forgot', { mobile: '+442079460000' }],
      ['/api/activate/resend', { email: 'c@example.org' }],
    ],
  },
  CODES: {
    status: 400,
    seconds: 900,
    requests: [
      ['/api/activate', proof],
      ['/api/password/reset', { token, new_password }],
      ['/api/user/confirm', { token }],
      ['/api/activate', { token }],
      ['/api/password/reset', { ...proof, new_password }],
      ['/api/user/confirm', proof],
      ['/activate', { token }],
      ['/reset', { token, new_password }],
      ['/confirm', { token }],
    ],
  },
  REFRESH: {
    status: 401,
    seconds: 900,
    requests: Array.from({ length: 4 }, () => ['/api/refresh', { refresh_token: 'a.b.c' }]),
  },
}

for (const [name, { status, seconds, requests }] of Object.entries(budgets)) {
  t.test(`RATE_LIMIT_${name} is the budget of one network over all instances`, async (t) => {
    const env = { RATE_LIMIT: 'on', [`RATE_LIMIT_${name}`]: `3/${seconds / 60}m` }
    const { app, url } = await testApp(t, { env })
    const { app: other } = await testApp(t, { env, url })
    const send = ([path, payload]: Request, on = app, from = '192.0.2.1') =>
      on.inject({ method: 'POST', url: path, payload, headers: { 'x-forwarded-for': from } })

    for (const [nth, request] of requests.entries()) {
      const answer = await send(request, nth % 2 === 0 ? app : other)
      t.equal(answer.statusCode, nth < 3 ? status : 429, request[0])
      if (nth < 3) continue
      const { headers } = answer
      t.match(headers, { 'ratelimit-limit': '3', 'ratelimit-remaining': '0' })
      t.equal(headers['ratelimit-reset'], headers['retry-after'])
      const share = Number(headers['retry-after']) / seconds
      t.ok(share > 0.5 && share <= 1, `Retry-After is ${String(headers['retry-after'])}`)
    }
    const request = requests.at(-1) ?? ['', {}]
    t.equal(
      (await send(request, app, '192.0.2.2')).statusCode,
      status,
      'another network has its own budget',
    )
  })
}

t.test('successful refreshes use no budget, and succeed when it is exhausted', async (t) => {
  const { app } = await testApp(t, { env: { RATE_LIMIT: 'on', RATE_LIMIT_REFRESH: '3/15m' } })
  let { refresh_token } = await signUp(app)
  const refresh = (refresh_token: string) =>
    app.inject({ method: 'POST', url: '/api/refresh', payload: { refresh_token } })
  const succeed = async () => {
    const answer = await refresh(refresh_token)
    t.equal(answer.statusCode, 200)
    refresh_token = answer.json<LoginAnswer>().refresh_token
  }
  for (let nth = 0; nth < 10; nth += 1) await succeed()
  const failed: number[] = []
  for (let nth = 0; nth < 5; nth += 1) failed.push((await refresh('a.b.c')).statusCode)
  t.same(failed, [401, 401, 401, 429, 429])
  await succeed()
})

t.test('a request gets 503 if its limit cannot be checked', async (t) => {
  const { app, url, sql } = await testApp(t, { env: { RATE_LIMIT: 'on' } })
  const { refresh_token } = await signUp(app)
  const count = async () =>
    sql('select (select count(*) from users), (select count(*) from sessions)')
  const before = await count()

  // A locked table, which does not answer, like a database during a restore.
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query('begin')
  await client.query('lock table rate_limits in access exclusive mode')

  const requests: Request[] = [
    ['/api/login', ada],
    ['/api/login', { ...ada, password: 'wrong horse battery' }],
    ['/api/register', account(1)],
    ['/api/password/forgot', { email: ada.email }],
    ['/api/activate', { token }],
    ['/api/refresh', { refresh_token: 'a.b.c' }],
  ]
  await Promise.all(
    requests.map(async ([path, payload]) => {
      const answer = await app.inject({ method: 'POST', url: path, payload })
      t.equal(answer.statusCode, 503, path)
      t.match(answer.json(), { code: 'unavailable' })
      t.ok(answer.headers['retry-after'])
    }),
  )
  const good = await app.inject({ method: 'POST', url: '/api/refresh', payload: { refresh_token } })
  t.equal(good.statusCode, 200, 'a request without a limit succeeds')
  await client.query('rollback')
  await client.end()

  t.same(await count(), before)
  t.same(await sql('select from outbox'), [])
  await logIn(app)
})

t.test('an address gets at most five messages, and the last one works', async (t) => {
  const lines: string[] = []
  const { app, sql } = await listeningApp(t, {
    env: { RATE_LIMIT: 'on' },
    logTo: { write: (line) => lines.push(line) },
  })
  await signUp(app)
  type Message = { to?: string; link?: string }
  const messages = () =>
    lines
      .map((line) => JSON.parse(line) as Message)
      .filter(({ to }) => to?.toLowerCase() === ada.email)
  const isEmpty = async () => (await sql('select from outbox')).length === 0
  const forgot = async (email: string, nth: number) => {
    const headers = { 'x-forwarded-for': `192.0.2.${nth}` }
    const payload = { email }
    return app.inject({ method: 'POST', url: '/api/password/forgot', payload, headers })
  }
  const answers: unknown[] = []
  for (let nth = 0; nth < 10; nth += 1) {
    const { statusCode, body } = await forgot(nth % 2 === 0 ? ada.email : 'ADA@Example.ORG', nth)
    answers.push({ statusCode, body })
    // Send one after the other: of two concurrent messages, either may be the last.
    while (!(await isEmpty())) await sleep(20)
  }
  t.equal(messages().length, 5)
  t.equal(new Set(answers.map((answer) => JSON.stringify(answer))).size, 1, 'all answers are equal')
  t.match(answers[0], { statusCode: 202 })

  const last = new URL(messages().at(-1)?.link ?? '')
  const payload = { token: last.searchParams.get('token'), new_password }
  const reset = await app.inject({ method: 'POST', url: '/api/password/reset', payload })
  t.equal(reset.statusCode, 200)
  await logIn(app, { ...ada, password: new_password })
})

t.test('failed refreshes count on every path', async (t) => {
  const env = { RATE_LIMIT: 'on', RATE_LIMIT_REFRESH: '2/15m' }
  const { app } = await testApp(t, { env })
  const old = { url: '/user/refresh-token', headers: { authorization: 'Bearer a.b.c' } }
  t.equal((await app.inject(old)).statusCode, 401)
  await app.inject({ url: '/', headers: { cookie: 'refresh=a.b.c', accept: 'text/html' } })
  t.equal((await app.inject(old)).statusCode, 429)
})

t.test('the picture form uses the budget of uploads', async (t) => {
  const { app, origin } = await listeningApp(t, {
    env: { RATE_LIMIT: 'on', RATE_LIMIT_UPLOADS: '1/1h' },
  })
  const { access_token } = await signUp(app)
  const send = async () => {
    const body = new FormData()
    body.append('picture', new Blob(['no picture']), 'me.png')
    const headers = { cookie: `session=${access_token}`, accept: 'text/html' }
    return (await fetch(`${origin}/welcome/picture`, { method: 'POST', headers, body })).status
  }
  t.equal(await send(), 422)
  t.equal(await send(), 429)
})
