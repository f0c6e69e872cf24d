import t from 'tap'
import { bearer, logIn, signUp, testApp, type LoginAnswer, type TestApp } from '../support/app.js'

type Writes = { inserted: number; updated: number; hot: number }

/** So few that a page of the table has room for all their versions, whenever PostgreSQL removes old ones. */
const rounds = 10

/** One connection, so that it can be told to report what it has written. */
const service = (t: Parameters<typeof testApp>[0]) =>
  testApp(t, { env: { DATABASE_POOL_SIZE: '1' } })

async function writesTo({ db, sql }: TestApp, table: string): Promise<Writes> {
  await db.query('select pg_stat_force_next_flush()')
  const [row] = await sql<Writes>(
    `select n_tup_ins::int as inserted, n_tup_upd::int as updated, n_tup_hot_upd::int as hot
     from pg_stat_user_tables where relname = $1`,
    [table],
  )
  return row!
}

/** What `work` wrote to a table. A HOT update writes no index. */
async function writesDuring(test: TestApp, table: string, work: () => Promise<void>) {
  const before = await writesTo(test, table)
  await work()
  const after = await writesTo(test, table)
  return {
    inserted: after.inserted - before.inserted,
    updated: after.updated - before.updated,
    hot: after.hot - before.hot,
  }
}

t.test('a refresh, and the first use of its token, write no index', async (t) => {
  const test = await service(t)
  const { app } = test
  await signUp(app)
  const logins: LoginAnswer[] = []
  for (let nth = 0; nth < rounds; nth += 1) logins.push(await logIn(app))
  const written = await writesDuring(test, 'sessions', async () => {
    for (const { refresh_token } of logins) {
      const payload = { refresh_token }
      const refreshed = await app.inject({ method: 'POST', url: '/api/refresh', payload })
      const { access_token } = refreshed.json<{ access_token: string }>()
      const used = await app.inject({ url: '/api/user', headers: bearer(access_token) })
      t.equal(used.statusCode, 200)
    }
  })
  t.equal(written.inserted, 0)
  t.ok(written.updated > rounds, `${written.updated} updates`)
  t.equal(written.hot, written.updated)
})

t.test('a login writes no new version of its user', async (t) => {
  const test = await service(t)
  await signUp(test.app)
  const work = async () => {
    for (let nth = 0; nth < rounds; nth += 1) await logIn(test.app)
  }
  t.strictSame(await writesDuring(test, 'users', work), { inserted: 0, updated: 0, hot: 0 })
  const written = await writesDuring(test, 'last_logins', work)
  t.match(written, { inserted: 0, updated: rounds })
})
