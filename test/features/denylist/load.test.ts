import { createEntries } from '@gatehouse/verify/protocol'
import t, { type Test } from 'tap'
import { systemClock } from '../../../src/concurrency/clock.js'
import { createPool } from '../../../src/db/pool.js'
import { HistoryError } from '../../../src/features/denylist/history.js'
import { pollingSource, readPages } from '../../../src/features/denylist/sources.js'
import { queryAt, testDatabase } from '../../support/database.js'

const count = 30_000

async function denials(t: Test) {
  const url = await testDatabase(t)
  const db = createPool({ url, size: 2 })
  t.teardown(() => db.close())
  await queryAt(
    url,
    `insert into token_denylist (id, expires_at, epoch)
     select gen_random_uuid(), now() + interval '1 hour', case n % 2 when 0 then n end
     from generate_series(1, ${String(count)}) n`,
  )
  return { url, pages: readPages(pollingSource(db, systemClock), (answer) => answer) }
}

t.test('a load reads every denial, a few thousand at a time', async (t) => {
  const { url, pages } = await denials(t)
  const entries = createEntries()
  let number = 0
  for await (const { packed } of pages) {
    t.ok(packed.length / 28 <= 10_000, `${packed.length / 28} in a page`)
    entries.addPacked(packed)
    number += 1
  }
  t.ok(number >= 3, `${number} pages`)
  const rows = await queryAt<{ id: string; epoch: number | null }>(
    url,
    'select * from token_denylist',
  )
  t.equal(entries.size, count)
  const wrong = rows.filter(({ id, epoch }) =>
    epoch === null ? !entries.isDenied(id) : entries.epochOf(id) !== epoch,
  )
  t.strictSame(wrong, [])
})

t.test('a load fails if the table is rewritten meanwhile, because its rows move', async (t) => {
  const { url, pages } = await denials(t)
  await t.rejects(async () => {
    for await (const page of pages) {
      t.ok(page.packed.length > 0)
      await queryAt(url, 'vacuum full token_denylist')
    }
  }, new HistoryError('the table of denials was rewritten'))
})
