import t, { type Test } from 'tap'
import { release } from '../../../src/config/release.js'
import { isOlder, readSchema } from '../../../src/db/schema.js'
import { gatehouse } from '../../support/command-line.js'
import { queryAt, testDatabase } from '../../support/database.js'
import { post, spawnServer, startServer } from '../../support/server-process.js'

/** What a later release leaves behind, as an expand migration does. */
const expanded = `
  alter table users add column shoe_size text;
  create table devices (id uuid primary key);
  insert into migrations (name, run_on) values ('9999_shoe_size', now())`

/** And as a contract migration does. */
const contracted = `
  alter table users drop column gender;
  update schema_compatibility set least_release = '99.1.0';
  insert into migrations (name, run_on) values ('9999_no_gender', now())`

async function databaseWith(t: Test, changes: string): Promise<string> {
  const url = await testDatabase(t)
  await queryAt(url, changes)
  return url
}

t.test('a schema that needs a later release stops the start, and nothing is changed', async (t) => {
  const url = await databaseWith(t, contracted)
  const message =
    `the database schema needs Gatehouse 99.1.0 or newer, and this is Gatehouse ${release}: ` +
    'start a newer release, or restore the backup from before the upgrade'
  const server = await spawnServer(t, { DATABASE_URL: url })
  t.equal(await server.exited, 1)
  const lines = server.output().trim().split('\n')
  t.equal(lines.length, 1, 'one line')
  t.match(JSON.parse(lines[0]!), { level: 'fatal', msg: message })
  t.match(await gatehouse(url, ['doctor']), { code: 1, out: `FAULT schema: ${message}\n` })
  t.match(await gatehouse(url, ['users', 'list']), { code: 1, out: '', errors: `${message}.\n` })
  t.same(await queryAt(url, 'select from signing_keys'), [])
})

t.test('a schema that a later release only expanded is served', async (t) => {
  const url = await databaseWith(t, expanded)
  const server = await startServer(t, { DATABASE_URL: url })
  t.match(server.output(), 'a later release has run migrations that this release can serve')
  const ada = { email: 'ada@example.org', password: 'slate-otter-harbour-51' }
  t.equal((await post(`${server.origin}/api/register`, ada)).status, 201)
  t.equal((await post(`${server.origin}/api/login`, ada)).status, 200)
  const { code, out } = await gatehouse(url, ['doctor'])
  t.equal(code, 0)
  t.match(out, /^note {2}schema: .*this release can serve: 9999_shoe_size$/m)
})

t.test('reset-db gets rid of a schema that needs a later release', async (t) => {
  const url = await databaseWith(t, contracted)
  t.match(await gatehouse(url, ['reset-db', '--yes']), { code: 0, errors: '' })
  const { leastRelease, missing, later } = await readSchema(async (text) => ({
    rows: await queryAt(url, text),
  }))
  t.notOk(isOlder(release, leastRelease!))
  t.strictSame([missing, later], [[], []])
})
