import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { migrate } from '../../../src/db/migrate.js'
import { createPool } from '../../../src/db/pool.js'
import { testDatabase } from '../../support/database.js'
import { tcpProxy } from '../../support/tcp-proxy.js'

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }

t.test('a transaction on a link that went silent waits for one answer, not for two', async (t) => {
  const link = await tcpProxy(t, await testDatabase(t))
  const db = createPool({ url: link.url, size: 2 })
  await db.query('select 1')
  link.silence()
  const start = performance.now()
  await t.rejects(
    db.transaction((tx) => tx.query(`insert into roles (name) values ('x')`)),
    { code: 'unavailable', cause: { message: /timeout/ } },
  )
  const ms = performance.now() - start
  t.ok(ms < 4_000, `${ms.toFixed(0)} ms, of which 2,500 wait for the first answer`)
  t.equal(db.status().total, 0, 'the connection is gone')
  link.restore()
  t.equal((await db.query('select 1')).rowCount, 1)
  await db.close()
})

t.test('work that fails by itself is rolled back, and its connection stays', async (t) => {
  const db = createPool({ url: await testDatabase(t), size: 1 })
  t.teardown(() => db.close())
  const pid = async () => (await db.query<{ pid: number }>('select pg_backend_pid() pid')).rows[0]
  const before = await pid()
  const clash = `insert into roles (name) values ('new'), ('admin')`
  await t.rejects(db.transaction((tx) => tx.query(clash)))
  await t.rejects(
    db.transaction((tx) => tx.query('select pg_sleep(3)')),
    { code: 'unavailable' },
  )
  t.same(await pid(), before)
})

t.test('a start on a silent link has an end', async (t) => {
  const link = await tcpProxy(t, await testDatabase(t))
  link.silence()
  await t.rejects(migrate(link.url, quiet), /timeout/)
})

t.test('a pool on a silent link closes', async (t) => {
  const link = await tcpProxy(t, await testDatabase(t))
  const db = createPool({ url: link.url, size: 2 })
  const busy = t.rejects(db.transaction((tx) => tx.query('select pg_sleep(1)')))
  await db.query('select 1')
  link.silence()
  const closed = await Promise.race([db.close().then(() => true), sleep(10_000)])
  t.equal(closed, true)
  await busy
})
