import { createEntries } from '@gatehouse/verify/protocol'
import { randomUUID } from 'node:crypto'
import pg from 'pg'
import t, { type Test } from 'tap'
import type { Delta } from '../../../src/features/denylist/repository.js'
import { replicaSql } from '../../../src/features/denylist/statements.js'
import { testDatabase } from '../../support/database.js'
import { random } from '../../support/random.js'

/** Connections to one database; the first reads as a replica does. */
async function connections(t: Test, count: number) {
  const url = await testDatabase(t)
  const clients = await Promise.all(
    Array.from({ length: count }, async () => {
      const client = new pg.Client({ connectionString: url })
      await client.connect()
      return client
    }),
  )
  t.teardown(() => Promise.all(clients.map((client) => client.end())))
  return clients as [pg.Client, ...pg.Client[]]
}

async function ask<Row extends pg.QueryResultRow>(
  client: pg.Client,
  text: string,
  values: unknown[] = [],
): Promise<Row> {
  const { rows } = await client.query<Row>(text, values)
  return rows[0] as Row
}

const snapshotOf = async (client: pg.Client) =>
  (await ask<{ snapshot: string }>(client, replicaSql.position)).snapshot
const deny = `insert into token_denylist (id, expires_at) values ($1, now() + interval '1 hour')
  on conflict (id) do update set expires_at = excluded.expires_at, xid = excluded.xid`

t.test('in whatever order transactions commit, each denial comes once and in time', async (t) => {
  const [reader, ...writers] = await connections(t, 6)
  const next = random(7)
  const entries = createEntries()
  const committed = new Set<string>()
  const open = new Map<pg.Client, string[]>()
  let snapshot = await snapshotOf(reader)
  let received = 0
  let missing = 0
  for (let step = 0; step < 600; step += 1) {
    const writer = writers[Math.floor(next() * writers.length)] as pg.Client
    const mine = open.get(writer)
    if (!mine) {
      await writer.query('begin')
      open.set(writer, [])
    } else if (next() < 0.5) {
      const id = randomUUID()
      await writer.query(deny, [id])
      mine.push(id)
    } else {
      const commits = next() < 0.8
      await writer.query(commits ? 'commit' : 'rollback')
      open.delete(writer)
      if (commits) for (const id of mine) committed.add(id)
    }
    if (next() < 0.4) {
      const delta = await ask<Delta>(reader, replicaSql.delta, [snapshot])
      entries.addPacked(delta.packed)
      received += delta.packed.length / 28
      snapshot = delta.snapshot
      for (const id of committed) if (!entries.isDenied(id)) missing += 1
    }
  }
  t.equal(missing, 0)
  t.ok(committed.size > 50)
  t.ok(received <= committed.size, `${received} for ${committed.size}`)
  t.equal(entries.size, received, 'and nothing of what was rolled back')
})

t.test('what somebody keeps open for hours makes no delta read what is known', async (t) => {
  const [reader, writer, other] = await connections(t, 3)
  await other?.query('begin; select pg_current_xact_id()')
  await writer?.query(
    `do $$ begin for n in 1..2000 loop
       insert into token_denylist (id, expires_at)
       select gen_random_uuid(), now() + interval '1 hour' from generate_series(1, 5);
       commit;
     end loop; end $$`,
  )
  await reader.query('analyze token_denylist')
  const snapshot = await snapshotOf(reader)
  const plan = await reader.query(`explain (analyze, format json) ${replicaSql.delta}`, [snapshot])
  const text = JSON.stringify(plan.rows)
  const removed = [...text.matchAll(/"Rows Removed by [^"]+":(\d+)/g)].map(([, count]) => count)
  t.ok(removed.reduce((sum, count) => sum + Number(count), 0) < 100, 'hardly a row is looked at')
})

t.test('an entry without end, by hand, is one that never leaves', async (t) => {
  const [reader] = await connections(t, 1)
  const snapshot = await snapshotOf(reader)
  const ids = [randomUUID(), randomUUID()]
  const insert = 'insert into token_denylist (id, expires_at) values ($1, $2)'
  await reader.query(insert, [ids[0], 'infinity'])
  await reader.query(insert, [ids[1], '-infinity'])
  const { packed } = await ask<Delta>(reader, replicaSql.delta, [snapshot])
  const entries = createEntries()
  entries.addPacked(packed)
  entries.sweep(2_000_000_000)
  t.same(
    ids.map((id) => [entries.isDenied(id), entries.epochOf(id)]),
    [
      [true, undefined],
      [false, undefined],
    ],
  )
})
