// A logout, beside the bare statement that makes it hold, from the same process over the same
// connections: `npm run bench:logout [-- ROUNDS]`.
import { randomUUID } from 'node:crypto'
import { compare, openServices, openSessions, print } from './support/services.js'

const rounds = Number(process.argv[2] ?? 15)
const count = 1_000
const bench = await openServices()
const { db, services } = bench
const { sessions } = services
const all = await openSessions(bench, count * (rounds + 1))

const ways = {
  'the bare INSERT': () =>
    db.query(
      `insert into token_denylist (id, expires_at) values ($1, now() + interval '17 minutes')`,
      [randomUUID()],
    ),
  'a logout': () => {
    const { user_id, session_id } = all.pop()
    const caller = { user_id, session_id, address: '::1', user_agent: 'bench' }
    return sessions.logout(caller, false)
  },
}

print(await compare(ways, { rounds, count }))
await bench.close()
process.exit()
