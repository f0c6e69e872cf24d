import { randomUUID } from 'node:crypto'
import t from 'tap'
import { ada, bearer, isRefused, signUp, testApp } from '../../support/app.js'
import { testDatabase } from '../../support/database.js'
import { metricsOf, valueOf } from '../../support/metrics.js'
import { tcpProxy } from '../../support/tcp-proxy.js'
import { until } from '../../support/until.js'

for (const DENYLIST_SYNC of ['listen', 'poll']) {
  t.test(`${DENYLIST_SYNC}: what is revoked here is told there, with its lag`, async (t) => {
    const here = await testApp(t, { env: { DENYLIST_SYNC } })
    const there = await testApp(t, { env: { DENYLIST_SYNC }, url: here.url })
    const { access_token } = await signUp(here.app)
    const logout = { method: 'POST', url: '/api/logout', headers: bearer(access_token) } as const
    t.equal(await valueOf(there.app, 'denylist_entries'), 0)
    t.equal(await valueOf(there.app, 'denylist_lag_seconds_count'), 0)
    t.equal((await here.app.inject(logout)).statusCode, 200)
    t.equal(await valueOf(here.app, 'denylist_entries'), 1, 'at once')
    await until(() => isRefused(there.app, access_token), 'the logout')
    t.equal(await valueOf(there.app, 'denylist_entries'), 1)
    t.equal(await valueOf(there.app, 'denylist_lag_seconds_count'), 1)
    const lag = await valueOf(there.app, 'denylist_lag_seconds_sum')
    t.ok(lag > 0 && lag < 3_600, `${lag} s`)

    await here.sql(
      `insert into token_denylist (id, expires_at, created_at)
       select gen_random_uuid(), now() + interval '1 hour', now() - interval '2 hours'
       from generate_series(1, 2000)`,
    )
    await until(async () => (await valueOf(there.app, 'denylist_entries')) === 2_001, 'the others')
    const reports = () => valueOf(there.app, 'denylist_lag_seconds_count')
    await until(async () => (await reports()) > 1, 'the lag')
    t.equal(await reports(), 2, 'once for all of them')
    const later = await valueOf(there.app, 'denylist_lag_seconds_sum')
    t.ok(later >= 7_200, `${later} s, by the database's clock`)
    t.ok((await valueOf(there.app, 'denylist_bytes')) >= 2_001 * 24)
  })
}

t.test('an age without end, by hand, is none, and ends nothing', async (t) => {
  const { app, sql } = await testApp(t)
  const insert = `insert into token_denylist (id, expires_at, created_at)
    values ($1, now() + interval '1 hour', $2)`
  await sql(insert, [randomUUID(), '-infinity'])
  await until(async () => (await valueOf(app, 'denylist_entries')) === 1, 'the first')
  await sql(insert, [randomUUID(), 'infinity'])
  await until(async () => (await valueOf(app, 'denylist_entries')) === 2, 'the second')
  t.equal(await valueOf(app, 'denylist_lag_seconds_count'), 0)
  t.equal(await valueOf(app, 'denylist_reconnects_total'), 0)
})

t.test('while the database is gone it answers, and tells so', async (t) => {
  const link = await tcpProxy(t, await testDatabase(t))
  const { app } = await testApp(t, { url: link.url })
  const { access_token } = await signUp(app)
  const request = { url: '/forward-auth', headers: bearer(access_token) }
  t.equal((await app.inject(request)).statusCode, 200)
  t.equal(await valueOf(app, 'denylist_fallback_queries_total'), 0, 'the replica answered')
  t.equal(await valueOf(app, 'denylist_reconnects_total'), 0)

  link.refuse()
  await until(async () => (await valueOf(app, 'denylist_fresh')) === 0, 'the end of the lease')
  t.ok((await valueOf(app, 'denylist_lease_age_seconds')) >= 2)
  t.equal((await app.inject(request)).statusCode, 503)
  t.equal(await valueOf(app, 'denylist_fallback_queries_total'), 1)
  t.ok((await valueOf(app, 'denylist_reconnects_total')) >= 1)
  const { series } = await metricsOf(app)
  const refused = 'method="GET",route="/forward-auth",status="503"'
  t.equal(series.get(`gatehouse_http_request_duration_seconds_count{${refused}}`), 1)

  link.restore()
  await until(async () => {
    const { series } = await metricsOf(app)
    const age = series.get('gatehouse_denylist_lease_age_seconds') ?? Infinity
    return series.get('gatehouse_denylist_fresh') === 1 && age < 2
  }, 'a new connection')
  t.equal((await app.inject(request)).statusCode, 200)
})

t.test('it tells who hashes, and who waits for that', async (t) => {
  const env = { HASH_LANES: '1', ARGON2_MEMORY: '65536', ARGON2_ITERATIONS: '4' }
  const { app } = await testApp(t, { env })
  t.equal(await valueOf(app, 'password_lanes_busy'), 0)
  const logins = Array.from({ length: 4 }, () =>
    app.inject({ method: 'POST', url: '/api/login', payload: ada }),
  )
  await until(async () => {
    const { series } = await metricsOf(app)
    const waiting = series.get('gatehouse_password_lanes_waiting') ?? 0
    return waiting > 0 && series.get('gatehouse_password_lanes_busy') === 1
  }, 'a queue before the one lane')
  await Promise.all(logins)
  t.equal(await valueOf(app, 'password_lanes_busy'), 0)
  t.equal(await valueOf(app, 'password_lanes_waiting'), 0)
})

t.test('it tells who has a connection, and who waits for one', async (t) => {
  const { app, db } = await testApp(t, { env: { DATABASE_POOL_SIZE: '1' } })
  await db.query('select 1')
  t.equal(await valueOf(app, 'database_connections'), 1)
  t.equal(await valueOf(app, 'database_connections_idle'), 1)
  let end = (): void => undefined
  const ended = new Promise<void>((resolve) => (end = resolve))
  const transaction = db.transaction(() => ended)
  await until(
    async () => (await valueOf(app, 'database_connections_idle')) === 0,
    'the transaction',
  )
  const query = db.query('select 1').catch(() => undefined) // a slow machine
  t.ok((await valueOf(app, 'database_waiting')) >= 1)
  end()
  await Promise.all([transaction, query])
  t.equal(await valueOf(app, 'database_waiting'), 0)
})
