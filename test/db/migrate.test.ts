import { PG_MIGRATE_LOCK_ID } from 'node-pg-migrate'
import t from 'tap'
import { migrate, migrationLock } from '../../src/db/migrate.js'
import { queryAt, testDatabase } from '../support/database.js'

t.test('twenty that start at once migrate once', async (t) => {
  const url = await testDatabase(t, { empty: true })
  const done: string[] = []
  const log = { info: (message: string) => void done.push(message), warn: t.fail, error: t.fail }
  await Promise.all(Array.from({ length: 20 }, () => migrate(url, log)))
  const rows = await queryAt(url, 'select name from migrations')
  t.ok(rows.length >= 3)
  t.equal(done.length, rows.length)
})

t.test('a migration that fails leaves nothing behind', async (t) => {
  const url = await testDatabase(t, { empty: true })
  await queryAt(url, 'create table token_denylist (something integer)')
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined }
  await t.rejects(migrate(url, log), {
    message:
      /tables of another application \(relation "token_denylist" already exists\): create a database/,
  })
  t.same(await queryAt(url, `select to_regclass('users') as users`), [{ users: null }])
  await queryAt(url, 'drop table token_denylist')
  await migrate(url, log)
  t.same(await queryAt(url, `select to_regclass('users')::text as users`), [{ users: 'users' }])
})

t.test("another application's table of migrations is refused with the fix", async (t) => {
  const url = await testDatabase(t, { empty: true })
  await queryAt(url, 'create table migrations (id integer, migration text, batch integer)')
  const log = { info: () => undefined, warn: t.fail, error: t.fail }
  await t.rejects(migrate(url, log), { message: /tables of another application/ })
})

t.test('the lock is the one of node-pg-migrate, which earlier releases take', async (t) => {
  t.equal(migrationLock, PG_MIGRATE_LOCK_ID)
})
