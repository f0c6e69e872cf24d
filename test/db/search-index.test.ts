import { randomBytes } from 'node:crypto'
import t from 'tap'
import { migrate } from '../../src/db/migrate.js'
import { testApp } from '../support/app.js'
import { adminQuery, queryAt, testDatabase } from '../support/database.js'
import { createAdmin } from '../support/http/client.js'

const index = `select from pg_class where relname = 'users_search_idx'`

t.test('a search has an index', async (t) => {
  t.equal((await queryAt(await testDatabase(t), index)).length, 1)
})

t.test('a role that may not create pg_trgm migrates and searches without it', async (t) => {
  const owner = await testDatabase(t, { empty: true })
  const url = new URL(owner)
  const role = `r_${randomBytes(6).toString('hex')}`
  await adminQuery(`create role ${role} login password 'secret'`)
  await queryAt(owner, `grant create, usage on schema public to ${role}`)
  t.teardown(async () => {
    await queryAt(owner, `drop owned by ${role}`)
    await adminQuery(`drop role ${role}`)
  })
  url.username = role
  url.password = 'secret'
  await migrate(url.href, { info: () => undefined, warn: t.fail, error: t.fail })
  t.equal((await queryAt(owner, index)).length, 0)
  const service = await testApp(t, { url: url.href })
  const admin = await createAdmin(service, 'Searched')
  const { body } = await admin.send('GET', '/api/users?search=searched')
  t.match(body.users, [{ id: admin.id }])
})
