import t from 'tap'
import { failOver } from '../support/failover-scenario.js'
import { pgbouncer } from '../support/pgbouncer.js'

const folder = '/usr/lib/postgresql/15/bin'
const binaries = { initdb: `${folder}/initdb`, postgres: `${folder}/postgres` }

t.test('polling: a lagging standby takes over, and no logout is missed', (t) =>
  failOver(t, { binaries, env: ({ url }) => ({ DATABASE_URL: url, DENYLIST_SYNC: 'poll' }) }),
)

t.test('polling through PgBouncer: the same', (t) =>
  failOver(t, {
    binaries,
    env: async ({ url }) => ({ DATABASE_URL: await pgbouncer(t, url), DENYLIST_SYNC: 'poll' }),
  }),
)

t.test('listening: the same', (t) =>
  failOver(t, { binaries, env: ({ url }) => ({ DATABASE_URL: url }) }),
)

t.test('listening to the old primary, which lives: its news renew no lease', async (t) => {
  const { here, there } = await failOver(t, {
    binaries,
    env: ({ url, primary }) => ({ DATABASE_URL: url, DATABASE_LISTEN_URL: primary }),
    survives: true,
  })
  for (const { output } of [here, there]) {
    t.match(output(), 'DATABASE_URL and DATABASE_LISTEN_URL lead to different servers')
  }
})
