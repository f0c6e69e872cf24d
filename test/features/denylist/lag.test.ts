import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { createPool } from '../../../src/db/pool.js'
import type { Delta } from '../../../src/features/denylist/repository.js'
import { replicaSql } from '../../../src/features/denylist/statements.js'
import { createStore } from '../../../src/store.js'
import { keysSecret } from '../../support/app.js'
import { testDatabase } from '../../support/database.js'

const hour = 3_600

/** The repositories on a database with one user, and what a replica would read. */
async function database(t: Test) {
  const db = createPool({ url: await testDatabase(t), size: 2 })
  t.teardown(() => db.close())
  const quiet = () => undefined
  const hooks = { onMessage: quiet, onDenied: quiet, onDoubt: quiet }
  const lifetimes = { denyFor: 900, idleTtl: 900, grace: 10 }
  const store = createStore(db, {
    ...lifetimes,
    keysSecret,
    publicUrl: '',
    newId: randomUUID,
    ...hooks,
  })
  const user = randomUUID()
  await db.query('insert into users (id, username, username_canonical) values ($1, $2, $2)', [
    user,
    'ada',
  ])
  const ask = async <Row>(text: string, values?: unknown[]) =>
    (await db.query<Row>(text, values)).rows[0] as Row
  const snapshot = async () => (await ask<{ snapshot: string }>(replicaSql.position)).snapshot
  const delta = (since: string) => ask<Delta>(replicaSql.delta, [since])
  const age = () =>
    db.query(`update token_denylist set created_at = created_at - interval '1 hour'`)
  return { db, store, user, snapshot, delta, age }
}

t.test('lag is the age of the oldest entry that is new', async (t) => {
  const { db, store, snapshot, delta, age } = await database(t)
  await store.denylist.deny(randomUUID())
  const before = await snapshot()
  t.equal((await delta(before)).lag, null, 'there is none')
  await store.denylist.deny(randomUUID())
  await age()
  await store.denylist.deny(randomUUID())
  const { lag, packed } = await delta(before)
  t.equal(packed.length, 2 * 28, 'the first one is known')
  t.ok(lag !== null && lag >= hour, `${lag}`)
  await db.query(`update token_denylist set created_at = 'infinity'`)
  t.equal((await delta(before)).lag, -Infinity, 'by hand')
  await db.query(`update token_denylist set created_at = '-infinity'`)
  t.equal((await delta(before)).lag, Infinity)
})

t.test('what is denied again is as new as its last denial, by whatever way', async (t) => {
  const { db, store, user, snapshot, delta, age } = await database(t)
  const id = randomUUID()
  const begin = () =>
    db.query(
      `insert into sessions (id, user_id, expires_at) values ($1, $2, now() + interval '1 hour')`,
      [id, user],
    )
  const ways: Record<string, () => Promise<unknown>> = {
    'a token': () => store.denylist.deny(id),
    'a session': () => store.sessions.end(id),
    'a session of a user': () => begin().then(() => store.sessions.endOf(user, id)),
    'all sessions of a user': () => begin().then(() => store.sessions.endAll(user)),
    'an epoch': () => store.denylist.raiseEpochs([user]),
    'a user': () => db.query('delete from users where id = $1', [user]),
  }
  await store.denylist.deny(id)
  await store.denylist.raiseEpochs([user])
  for (const [what, deny] of Object.entries(ways)) {
    await age()
    const before = await snapshot()
    await deny()
    const { lag, packed } = await delta(before)
    t.equal(packed.length, 28, what)
    t.ok(lag !== null && lag >= 0 && lag < hour, `${what}: ${lag}`)
  }
})
