import { randomUUID } from 'node:crypto'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { bearer, keysSecret, listeningApp, signUp, testApp } from '../support/app.js'
import { testDatabase } from '../support/database.js'
import { exchange, toBytes } from '../support/http/connection.js'
import { metricsOf } from '../support/metrics.js'

const METRICS_TOKEN = 'Xq7-vT2.nB9_kW4~rC8+zL3/hF6sD5gJ0=='
const lines = 'gatehouse_http_request_duration_seconds'

const units = {
  denylist_fresh: 'gauge',
  denylist_lease_age_seconds: 'gauge',
  denylist_entries: 'gauge',
  denylist_bytes: 'gauge',
  denylist_clock_skew_seconds: 'gauge',
  denylist_reconnects_total: 'counter',
  denylist_history_changes_total: 'counter',
  denylist_fallback_queries_total: 'counter',
  denylist_lag_seconds: 'histogram',
  password_lanes_busy: 'gauge',
  password_lanes_waiting: 'gauge',
  database_connections: 'gauge',
  database_connections_idle: 'gauge',
  database_waiting: 'gauge',
  http_request_duration_seconds: 'histogram',
}

t.test('Prometheus can read it', async (t) => {
  const { app } = await testApp(t)
  const { statusCode, headers } = await app.inject('/metrics')
  t.equal(statusCode, 200)
  t.equal(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
  t.equal(headers['cache-control'], 'no-store')
  const { kinds, series } = await metricsOf(app)
  for (const [name, kind] of Object.entries(units)) t.equal(kinds.get(`gatehouse_${name}`), kind)
  t.same(
    [...kinds.keys()].filter((name) => name.startsWith('gatehouse_')).sort(),
    Object.keys(units)
      .map((name) => `gatehouse_${name}`)
      .sort(),
  )
  t.ok((series.get('process_resident_memory_bytes') ?? 0) > 0)
  t.equal(series.get('gatehouse_denylist_fresh'), 1)
})

t.test('requests that come together share one answer', async (t) => {
  const { app } = await testApp(t)
  const answers = await Promise.all(Array.from({ length: 50 }, () => app.inject('/metrics')))
  t.same(new Set(answers.map(({ statusCode }) => statusCode)), new Set([200]))
  t.equal(new Set(answers.map(({ body }) => body)).size, 1)
  const later = await app.inject('/metrics')
  t.not(later.body, answers[0]?.body, 'the next one is made afresh')
})

t.test('of many apps in one process each has its own', async (t) => {
  const url = await testDatabase(t)
  const [one, other] = [await testApp(t, { url }), await testApp(t, { url })]
  await one.app.inject('/nowhere')
  const name = `${lines}_count{method="GET",route="unknown",status="404"}`
  t.equal((await metricsOf(one.app)).series.get(name), 1)
  t.equal((await metricsOf(other.app)).series.get(name), undefined)
})

t.test('requests are counted by method, pattern and status', async (t) => {
  const { app } = await testApp(t)
  const { access_token, user } = await signUp(app)
  const headers = bearer(access_token)
  for (let count = 0; count < 3; count += 1) await app.inject({ url: '/api/user', headers })
  await app.inject('/api/user')
  await app.inject(`/api/users/${user.id}/picture?size=small`)
  await app.inject({ method: 'HEAD', url: '/reset' })
  await app.inject({ method: 'PUT', url: '/forward-auth', headers })
  const { series } = await metricsOf(app)
  const counts = {
    'method="GET",route="/api/user",status="200"': 3,
    'method="GET",route="/api/user",status="401"': 1,
    'method="POST",route="/api/register",status="201"': 1,
    'method="POST",route="/api/login",status="200"': 1,
    'method="GET",route="/api/users/:id/picture",status="404"': 1,
    'method="HEAD",route="/reset",status="200"': 1,
    'method="PUT",route="/forward-auth",status="200"': 1,
  }
  for (const [labels, count] of Object.entries(counts)) {
    t.equal(series.get(`${lines}_count{${labels}}`), count, labels)
    t.ok((series.get(`${lines}_sum{${labels}}`) ?? 0) > 0, `${labels} took some time`)
  }
})

t.test('who asks for a thousand paths makes no thousand labels', async (t) => {
  const { app } = await testApp(t)
  const routeOf = (name: string) => /route="(.*)",status/.exec(name)?.[1]
  const ids = Array.from({ length: 1_000 }, () => randomUUID())
  for (const [at, id] of ids.entries()) {
    const method = (['GET', 'POST', 'DELETE', 'PUT'] as const)[at % 4] ?? 'GET'
    const paths = [`/${id}`, `/api/users/${id}/picture`, `/auth/${id}`, `/metrics/${id}`, `/?${id}`]
    await app.inject({ method, url: paths[at % 5] })
  }
  const { series } = await metricsOf(app)
  const routes = new Set([...series.keys()].flatMap((name) => routeOf(name) ?? []))
  t.same([...routes].sort(), ['/', '/api/users/:id/picture', '/auth/:provider', 'unknown'])
  t.ok(series.size < 1_000, `${series.size}`)
})

t.test('with a token nobody reads but who sends it', async (t) => {
  const { app, origin } = await listeningApp(t, { env: { METRICS_TOKEN } })
  const { access_token } = await signUp(app)
  const good = `Authorization: Bearer ${METRICS_TOKEN}`
  const refused = {
    nothing: [],
    'another token': [`Authorization: Bearer ${METRICS_TOKEN.replace('X', 'Y')}`],
    'a part of it': [good.slice(0, -1)],
    'more than it': [`${good}=`],
    'it in another case': [good.toLowerCase()],
    'the token of a user': [`Authorization: Bearer ${access_token}`],
    'that of a user in a cookie': [`Cookie: session=${access_token}`],
    'it in a cookie': [`Cookie: session=${METRICS_TOKEN}`],
    'another scheme': [`Authorization: Basic ${METRICS_TOKEN}`],
    'no scheme': [`Authorization: ${METRICS_TOKEN}`],
    'nothing behind the scheme': ['Authorization: Bearer'],
    'two headers': [good, good],
    'a wrong header before': ['Authorization: Bearer x', good],
    'a wrong header behind': [good, 'Authorization: Bearer x'],
    'two in one header': [`${good}, Bearer ${METRICS_TOKEN}`],
  }
  const ask = async (headers: string[], target = '/metrics') => {
    const { answers } = await exchange(origin, toBytes({ target, headers }))
    return answers[0]!
  }
  for (const [what, headers] of Object.entries(refused)) {
    const { status, body, headers: sent } = await ask(headers)
    t.equal(status, 401, what)
    t.match(JSON.parse(body), { code: 'invalid_token' }, what)
    t.match(sent['www-authenticate'], /^Bearer /, what)
  }
  t.equal((await ask([], `/metrics?token=${METRICS_TOKEN}`)).status, 401, 'it in the query')
  t.equal((await ask([good])).status, 200)
  t.equal((await ask([`authorization: bearer ${METRICS_TOKEN}`])).status, 200, 'as RFC 9110 has it')
})

t.test('the file with the token may be the one that Prometheus reads', async (t) => {
  const file = join(mkdtempSync(join(tmpdir(), 'gatehouse-')), 'token')
  writeFileSync(file, `${METRICS_TOKEN}\n`)
  const { app } = await testApp(t, { env: { METRICS_TOKEN_FILE: file } })
  t.equal((await app.inject('/metrics')).statusCode, 401)
  const headers = bearer(METRICS_TOKEN)
  t.equal((await app.inject({ url: '/metrics', headers })).statusCode, 200)
})

t.test('in production there are none without a token', async (t) => {
  const production = { NODE_ENV: 'production', KEYS_SECRET: keysSecret, RATE_LIMIT: 'on' }
  const { app, url } = await testApp(t, { env: production })
  for (const headers of [{}, bearer(METRICS_TOKEN), bearer('undefined'), bearer('')]) {
    const answer = await app.inject({ url: '/metrics', headers })
    t.equal(answer.statusCode, 404)
    t.equal(answer.body, (await app.inject('/nowhere')).body)
  }
  const other = await testApp(t, { url, env: { ...production, METRICS_TOKEN } })
  t.equal((await other.app.inject('/metrics')).statusCode, 401)
  const headers = bearer(METRICS_TOKEN)
  t.equal((await other.app.inject({ url: '/metrics', headers })).statusCode, 200)
})

t.test('it holds nothing secret, and nothing of anybody', async (t) => {
  const { app, url, sql } = await testApp(t, { env: { METRICS_TOKEN } })
  const account = { username: 'lovelace-1815', password: 'correct horse battery' }
  const { access_token, refresh_token, user } = await signUp(app, account)
  const headers = bearer(access_token)
  const [session] = await sql<{ id: string }>('select id from sessions')
  await app.inject({ url: `/api/users/${user.id}/readme`, headers })
  await app.inject({ method: 'DELETE', url: `/api/sessions/${session?.id}`, headers })
  await app.inject({ url: `/reset?token=${refresh_token}` })
  const own = bearer(METRICS_TOKEN)
  await app.inject({ url: `/${METRICS_TOKEN}`, headers: own })
  const { body } = await app.inject({ url: '/metrics', headers: own })
  const kids = await sql<{ kid: string }>('select kid from signing_keys')
  const secrets = [
    ...[
      METRICS_TOKEN,
      keysSecret,
      access_token,
      refresh_token,
      url,
      new URL(url).pathname.slice(1),
    ],
    ...[account.username, account.password, user.id, session?.id ?? '', '127.0.0.1'],
    ...kids.map(({ kid }) => kid),
  ]
  for (const secret of secrets) t.notOk(body.includes(secret), secret)
})
