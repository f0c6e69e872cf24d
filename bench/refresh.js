// A refresh, beside the bare statement that it comes down to, from the same process over the same
// connections: `npm run bench:refresh [-- ROUNDS]`.
import { createBatcher } from '../src/concurrency/batch.js'
import { compare, openServices, openSessions, print } from './support/services.js'

const rounds = Number(process.argv[2] ?? 15)
const count = 2_000
// Each session is moved on once a round: a generation must be old enough by then.
const bench = await openServices({ REFRESH_GRACE: '1s' })
const { db, services } = bench
const { store, sessions } = services
const caller = { user_id: null, session_id: null, address: '::1', user_agent: 'bench' }

const sets = await openSessions(bench, count * 3)
const [bare, stepped, refreshed] = [0, 1, 2].map((nth) =>
  sets.slice(nth * count, (nth + 1) * count),
)

// As src/features/sessions/renewal.ts does it.
const rotate = createBatcher(async (steps) => {
  const grants = await store.sessions.rotate(steps)
  const byId = new Map(grants.map((grant) => [grant.session_id, grant]))
  return steps.map(({ id }) => byId.get(id))
})

const ways = {
  'the bare UPDATE': async (nth) => {
    const session = bare[nth]
    const { rowCount } = await db.query(
      `update sessions set generation = generation + 1, rotated_at = now()
       where id = $1 and generation = $2 returning generation`,
      [session.session_id, session.generation],
    )
    if (rowCount !== 1) throw new Error('nothing was updated')
    session.generation += 1
  },
  'the statement of a refresh': async (nth) => {
    const { session_id: id, user_id, generation } = stepped[nth]
    stepped[nth].generation = (await rotate({ id, user_id, generation })).generation
  },
  'a refresh, tokens and all': async (nth) => {
    Object.assign(refreshed[nth], await sessions.refresh(refreshed[nth].refresh_token, caller))
  },
}

print(await compare(ways, { rounds, count, pause: 600 }))
await bench.close()
process.exit()
