import Fastify from 'fastify'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import t from 'tap'
import { createPool } from '../../src/db/pool.js'
import { prune } from '../../src/db/retention.js'
import { housekeeping } from '../../src/db/housekeeping.js'
import { bearer, logIn, signUp, testApp } from '../support/app.js'
import { until } from '../support/until.js'

const year = 365 * 86_400

t.test('what has expired goes, in steps, and nothing else', async (t) => {
  const { app, db, sql } = await testApp(t)
  await signUp(app)
  const { access_token } = await logIn(app)
  await app.inject({ method: 'POST', url: '/api/logout', headers: bearer(access_token) })
  await logIn(app)
  await sql(`update sessions set expires_at = now() - interval '1 second'
    where id = (select id from sessions order by id limit 1)`)
  await sql(`insert into token_denylist select gen_random_uuid(), now() - interval '11 minutes'
    from generate_series(1, 5)`)
  await sql(`insert into rate_limits values ('old', 1, 0), ('new', 1, ${Date.now() + 60_000})`)
  t.equal(await prune(db, year, 3), 1 + 3 + 1)
  t.equal(await prune(db, year, 3), 2)
  t.equal(await prune(db, year, 3), 0)
  t.same(await sql('select key from rate_limits'), [{ key: 'new' }])
  t.equal((await sql('select from sessions')).length, 1)
  t.equal((await sql('select from token_denylist')).length, 1)
})

t.test('one instance at a time prunes', async (t) => {
  const { db: first, url, sql } = await testApp(t)
  const db = createPool({ url, size: 2 })
  t.teardown(() => db.close())
  await sql(`insert into token_denylist values (gen_random_uuid(), now() - interval '11 minutes')`)
  await first.transaction(async (tx) => {
    const other = { ...db, transaction: <R>(work: (on: typeof tx) => Promise<R>) => work(tx) }
    t.equal(await prune(other, year), 1)
    t.equal(await prune(db, year), 0)
    t.equal(await sql('select from token_denylist').then(({ length }) => length), 1)
  })
  t.equal((await sql('select from token_denylist')).length, 0)
})

t.test('a denial that is renewed while it is removed stays', async (t) => {
  const { db, url, sql } = await testApp(t)
  const other = createPool({ url, size: 1 })
  t.teardown(() => other.close())
  await sql(`insert into token_denylist values (gen_random_uuid(), now() - interval '11 minutes')`)
  let removed: Promise<number> | undefined
  await other.transaction(async (tx) => {
    await tx.query(`update token_denylist set expires_at = now() + interval '15 minutes'`)
    removed = prune(db, year)
    const waits = `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`
    await until(async () => (await sql(waits)).length === 1, 'the removal to wait')
  })
  t.equal(await removed, 0)
  t.equal((await sql('select from token_denylist')).length, 1)
})

t.test('it is done again and again until the service closes, whatever fails', async (t) => {
  const app = Fastify()
  let calls = 0
  const failing = () =>
    (calls += 1) === 2 ? Promise.reject(new Error('gone')) : Promise.resolve(0)
  await app.register(housekeeping, {
    prune: failing,
    warnOwners: async () => 0,
    every: 5,
    log: pino({ level: 'silent' }),
  })
  await app.ready()
  while (calls < 4) await sleep(5)
  await app.close()
  const after = calls
  await sleep(30)
  t.equal(calls, after)
})
