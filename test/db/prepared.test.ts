import t from 'tap'
import { createPool } from '../../src/db/pool.js'
import { testDatabase } from '../support/database.js'

const prepared = `select name, statement from pg_prepared_statements where statement like '%role%'`

t.test('a statement that repeats is prepared, and one that does not is not', async (t) => {
  const db = createPool({ url: await testDatabase(t), size: 1 })
  t.teardown(() => db.close())
  const find = `select name from roles where name = $1`
  for (let count = 0; count < 3; count += 1) await db.query(find, ['user'])
  t.same((await db.query(prepared)).rows, [])
  await db.query(find, ['user'])
  await db.query(`select from roles where name <> $1`, ['user'])
  t.match((await db.query(prepared)).rows, [
    { name: /^gatehouse_[0-9a-f]{32}_0$/, statement: find },
  ])
  await db.transaction(async (tx) => {
    t.same((await tx.query(find, ['admin'])).rows, [{ name: 'admin' }])
  })
})

t.test(
  'a migration by another release makes no statement fail, in or out of a transaction',
  async (t) => {
    const url = await testDatabase(t)
    const db = createPool({ url, size: 2 })
    const other = createPool({ url, size: 1 })
    t.teardown(() => Promise.all([db.close(), other.close()]))
    await other.query('create table things (id integer)')
    await other.query('insert into things values (1)')
    const find = 'select * from things where id = $1'
    for (let count = 0; count < 5; count += 1) await db.query(find, [1])
    await other.query('alter table things add column more integer')
    t.same((await db.query(find, [1])).rows, [{ id: 1, more: null }])

    for (let count = 0; count < 5; count += 1) await db.query(find, [1])
    await other.query('alter table things add column last integer')
    const failed = db.transaction((tx) => tx.query(find, [1]))
    await t.rejects(failed, { code: 'unavailable', statusCode: 503 }, 'the client tries again')
    const { rows } = await db.transaction((tx) => tx.query(find, [1]))
    t.same(rows, [{ id: 1, more: null, last: null }])
  },
)

t.test('nothing is prepared any more once the server has lost it', async (t) => {
  const db = createPool({ url: await testDatabase(t), size: 1 })
  t.teardown(() => db.close())
  const find = `select name from roles where name = $1`
  for (let count = 0; count < 5; count += 1) await db.query(find, ['user'])
  await db.query('deallocate all')
  t.same((await db.query(find, ['user'])).rows, [{ name: 'user' }])
  for (let count = 0; count < 5; count += 1) await db.query(find, ['user'])
  t.same((await db.query(prepared)).rows, [])
})

t.test('a name stands for the same statement in every process', async (t) => {
  const url = await testDatabase(t)
  const names = new Set<unknown>()
  for (const other of [
    'select name from roles where name > $1',
    'select 1 from roles where name < $1',
  ]) {
    const db = createPool({ url, size: 1 })
    t.teardown(() => db.close())
    const find = `select name from roles where name = $1`
    for (let count = 0; count < 5; count += 1) {
      await db.query(other, ['user'])
      await db.query(find, ['user'])
    }
    const { rows } = await db.query<{ name: string; statement: string }>(prepared)
    names.add(rows.find(({ statement }) => statement === find)?.name)
    t.equal(rows.length, 2)
  }
  t.equal(names.size, 1)
})
