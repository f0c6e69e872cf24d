import pg from 'pg'
import t from 'tap'
import { ada, bearer, logIn, signUp, testApp } from '../../support/app.js'
import { testDatabase } from '../../support/database.js'
import { until } from '../../support/until.js'

t.test('a login that waits for a change of roles gets the new roles', async (t) => {
  const url = await testDatabase(t)
  const { app, sql } = await testApp(t, { url })
  const { user } = await signUp(app)
  await sql(`insert into user_roles values ($1, 'admin')`, [user.id])
  const change = new pg.Client({ connectionString: url })
  await change.connect()
  t.teardown(() => change.end())
  await change.query('begin')
  await change.query('select from users where id = $1 for update', [user.id])
  await change.query(`delete from user_roles where user_id = $1 and role = 'admin'`, [user.id])
  await change.query('update users set epoch = epoch + 1 where id = $1', [user.id])

  const login = logIn(app, ada)
  const isWaiting = async () =>
    (
      await sql(
        `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
      )
    ).length > 0
  await until(isWaiting, 'the login to wait for the lock')
  await change.query('commit')
  const { access_token, user: seen } = await login
  t.strictSame(seen.roles, ['user'])
  const list = await app.inject({ url: '/api/users', headers: bearer(access_token) })
  t.equal(list.statusCode, 403)
})
