import pg from 'pg'
import t, { type Test } from 'tap'
import { migrate } from '../../src/db/migrate.js'
import { isOlder, readSchema, requireServable } from '../../src/db/schema.js'
import { catalogOf, contractions } from '../support/catalog.js'
import { testDatabase } from '../support/database.js'
import { releases, restoreRelease } from '../support/release-fixture.js'

/** Constraints that a migration replaced by wider ones: each with the reason why older releases can serve it. */
const widened: string[] = []

async function connect(t: Test, url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  t.teardown(() => client.end())
  return client
}

for (const from of releases) {
  t.test(`an instance of ${from} can work beside this release, or refuses to start`, async (t) => {
    const { url } = await restoreRelease(t, from)
    const client = await connect(t, url)
    const before = await catalogOf(client)
    await migrate(url, { info: () => undefined, warn: t.fail, error: t.fail })
    const schema = await readSchema((text) => client.query(text))
    t.strictSame([schema.missing, schema.later], [[], []])
    t.doesNotThrow(() => requireServable(schema), 'this release does not refuse itself')
    if (schema.leastRelease !== undefined && isOlder(from, schema.leastRelease)) return
    const faults = contractions(before, await catalogOf(client))
    t.strictSame(
      faults.filter((fault) => !widened.some((name) => fault.startsWith(`${name} `))),
      [],
      'CONTRIBUTING.md says how a migration expands, and when one contracts',
    )
  })
}

const expansions = [
  'create table devices (id uuid primary key, user_id uuid not null references users on delete cascade)',
  'alter table users add column shoe_size text',
  `alter table users add column shoe_size text not null default 'en' check (shoe_size <> '')`,
  'create index users_name_idx on users (name)',
  'alter table users alter column email_canonical drop not null',
  'alter table users drop constraint users_identifier_check',
]

const steps: [text: string, fault: string][] = [
  ['alter table users drop column gender', 'users.gender is gone'],
  ['alter table users rename column gender to pronoun', 'users.gender is gone'],
  ['drop table spent_logins', 'spent_logins.id is gone'],
  [
    'alter table outbox alter column attempts type bigint',
    'outbox.attempts is bigint, and was integer',
  ],
  ['alter table users alter column name set not null', 'users.name is not null'],
  ['alter table users alter column epoch drop default', 'users.epoch has no default'],
  ['alter table readmes add column title text not null', 'readmes.title is new and not null'],
  [
    `alter table users add constraint users_name_check check (name <> '')`,
    'users_name_check is new on users',
  ],
  ['create unique index users_name_idx on users (lower(name))', 'users_name_idx is new on users'],
  ['alter table clients drop constraint clients_name_key', 'clients_name_key is gone'],
  [
    `create table devices (user_id uuid constraint devices_owner references users)`,
    'devices_owner keeps rows of users',
  ],
  ['drop trigger users_epoch on users', 'trigger users_epoch of users is gone'],
  ['drop function database_history', 'function database_history() is gone'],
  ['alter function database_history rename to history_name', 'function database_history() is gone'],
]

t.test('what older releases would miss or violate is found, and nothing else', async (t) => {
  const client = await connect(t, await testDatabase(t))
  const before = await catalogOf(client)
  const after = async (text: string) => {
    await client.query(`begin; ${text}`)
    const faults = contractions(before, await catalogOf(client))
    await client.query('rollback')
    return faults
  }
  for (const text of expansions) t.strictSame(await after(text), [], text)
  for (const [text, fault] of steps) t.ok((await after(text)).includes(fault), text)
})
