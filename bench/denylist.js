// What a denylist of so many entries costs an instance: seconds to load it, bytes an entry, and the longest pause of
// the event loop meanwhile, beside an idle process. `npm run bench:denylist [-- 1000000]`. DATABASE_URL names a
// PostgreSQL server on which a database can be made.
import { createEntries } from '@gatehouse/verify/protocol'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '../src/concurrency/clock.js'
import { listeningSource, readPages } from '../src/features/denylist/sources.js'
import { benchDatabase } from './support/database.js'
import { median } from './support/parallel.js'
import { longestPause } from './support/pauses.js'
import { openServices } from './support/services.js'

const count = Number(process.argv[2] ?? 1_000_000)
const rounds = 5
const database = await benchDatabase()
const KEYS_SECRET = 'bench-0123456789-abcdefghij-ABCDEFGHIJ'
const bench = await openServices({ DATABASE_URL: database.url, KEYS_SECRET })
await bench.close() // it has migrated
await database.sql.query(
  `insert into token_denylist (id, expires_at)
   select overlay(gen_random_uuid()::text placing '7' from 15 for 1)::uuid, now() + interval '15 minutes'
   from generate_series(1, $1)`,
  [count],
)
await database.sql.query('vacuum analyze token_denylist')

const found = []
for (let round = 0; round <= rounds; round += 1) {
  const idle = await longestPause(() => sleep(1_000))
  let entries
  const start = performance.now()
  const pause = await longestPause(async () => (entries = await load()))
  const seconds = (performance.now() - start) / 1_000
  const bytes = entries.bytes / entries.size
  if (entries.size !== count) throw new Error(`${entries.size} entries were loaded`)
  if (round > 0) found.push({ seconds, bytes, pause, idle, ratio: pause / idle })
}

const of = (name) => median(found.map((each) => each[name])).toFixed(2)
console.log(`| ${count.toLocaleString('en')} entries | median of ${rounds} |\n|---|---|`)
console.log(`| seconds to load | ${of('seconds')} |`)
console.log(`| bytes an entry | ${of('bytes')} |`)
console.log(`| longest pause of the event loop, ms | ${of('pause')} |`)
console.log(`| the same of an idle second, ms | ${of('idle')} |`)
console.log(`| the pause as a multiple | ${of('ratio')} |`)
await database.drop()
process.exit()

/** As the feed of the server loads it. */
async function load() {
  const entries = createEntries()
  const source = await listeningSource(database.url, systemClock)
  for await (const { packed } of readPages(source, (answer) => answer)) entries.addPacked(packed)
  source.close()
  return entries
}
