import t from 'tap'
import { createPool, violatedConstraint } from '../../src/db/pool.js'
import { adminQuery, testDatabase } from '../support/database.js'

t.test(
  'a transaction commits what it returns from, and rolls back what it throws from',
  async (t) => {
    const db = createPool({ url: await testDatabase(t), size: 2 })
    t.teardown(() => db.close())
    const grant = `insert into roles (name) values ('editor')`
    await t.rejects(
      db.transaction(async (tx) => {
        await tx.query(grant)
        throw new Error('changed my mind')
      }),
      /changed my mind/,
    )
    t.equal((await db.query(`select from roles where name = 'editor'`)).rowCount, 0)
    await db.transaction((tx) => tx.query(grant))
    t.equal((await db.query(`select from roles where name = 'editor'`)).rowCount, 1)
  },
)

t.test('timestamps arrive as on the wire', async (t) => {
  const db = createPool({ url: await testDatabase(t), size: 1 })
  t.teardown(() => db.close())
  const { rows } = await db.query(`select timestamptz '2026-01-02 03:04:05.678+02' as at`)
  t.same(rows, [{ at: '2026-01-02T01:04:05.678Z' }])
})

t.test('a fault of the statement is told apart from a fault of the server', async (t) => {
  const db = createPool({ url: await testDatabase(t), size: 1 })
  t.teardown(() => db.close())
  const clash = db.query(`insert into roles (name) values ('admin')`)
  t.equal(await clash.then(() => '', violatedConstraint), 'roles_pkey')
  await t.rejects(db.query(`select 1 / 0`), { code: '22012' })
  await t.rejects(db.query('select pg_sleep(3)'), { code: 'unavailable', statusCode: 503 })
  await db.query('set default_transaction_read_only = on')
  await t.rejects(db.query(`insert into roles (name) values ('x')`), { code: 'unavailable' })
})

t.test('an exhausted pool is an answer within its time, not a wait', async (t) => {
  const db = createPool({ url: await testDatabase(t), size: 1 })
  t.teardown(() => db.close())
  const held = db.transaction((tx) => tx.query('select pg_sleep(1.8)'))
  await t.rejects(db.query('select 1'), { code: 'unavailable' })
  await held
  t.equal((await db.query('select 1')).rowCount, 1)
})

t.test(
  'a connection that dies, idle or in use, is an answer and not the end of the process',
  async (t) => {
    const url = await testDatabase(t)
    const db = createPool({ url, size: 2 })
    t.teardown(() => db.close())
    const name = new URL(url).pathname.slice(1)
    const kill = () =>
      adminQuery(`select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`)
    await db.query('select 1')
    await kill()
    const inUse = t.rejects(db.query('select pg_sleep(1.5)'), { code: 'unavailable' })
    await new Promise((resolve) => setTimeout(resolve, 300))
    await kill()
    await inUse
    t.equal((await db.query('select 1')).rowCount, 1)
  },
)
