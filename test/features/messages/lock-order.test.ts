import { randomUUID } from 'node:crypto'
import pg from 'pg'
import t from 'tap'
import { ada, listeningApp } from '../../support/app.js'
import { until } from '../../support/until.js'

t.test('a message waits for a change of its user, which can still cancel it', async (t) => {
  const { app, url, sql } = await listeningApp(t, { env: { ACTIVATION: 'required' } })
  await app.inject({ method: 'POST', url: '/api/register', payload: ada })
  await until(async () => (await sql('select from outbox')).length === 0, 'an empty outbox')
  await sql('delete from one_time_codes')
  const [user] = await sql<{ id: string }>('select id from users')
  await sql(
    `insert into outbox (id, message, kind, address, user_id, due_at)
     values ($1, 'activation', 'email', $2, $3, now() + interval '1 hour')`,
    [randomUUID(), ada.email, user?.id],
  )
  const change = new pg.Client({ connectionString: url })
  await change.connect()
  t.teardown(() => change.end())
  await change.query(`begin; set local lock_timeout = '200ms'; select from users for update`)
  await sql('update outbox set due_at = now()')
  const isWaiting = async () => {
    const rows = await sql(
      `select from pg_stat_activity
       where datname = current_database() and wait_event_type = 'Lock'`,
    )
    return rows.length > 0
  }
  await until(isWaiting, 'the message to wait for the user')
  const { rowCount } = await change.query('delete from outbox')
  await change.query('commit')
  t.equal(rowCount, 1)
})
