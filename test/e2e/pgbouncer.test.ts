import t from 'tap'
import {
  cluster,
  inParallel,
  logins,
  logOut,
  outlives,
  summary,
  verify,
  type Login,
} from '../support/cluster.js'
import { testDatabase } from '../support/database.js'
import { pgbouncer } from '../support/pgbouncer.js'
import { spawnServer, type ServerProcess } from '../support/server-process.js'

for (const [name, env] of Object.entries({
  'listening beside it': (url: string) => ({ DATABASE_LISTEN_URL: url }),
  polling: () => ({ DENYLIST_SYNC: 'poll' }),
})) {
  t.test(`through PgBouncer, ${name}: a logout holds everywhere`, async (t) => {
    const url = await testDatabase(t)
    const through = await pgbouncer(t, url)
    const each = { DATABASE_URL: through, ...env(url) }
    const [here, there] = (await cluster(t, [each, each])) as [ServerProcess, ServerProcess]
    const all = await logins(here, 10, 10)
    const delays = await inParallel(
      all.length,
      async (at) => {
        const login = all[at] as Login
        t.equal((await verify(there, login)).status, 200)
        t.equal((await logOut(here, login)).status, 200)
        return Math.max(...(await outlives([there], login)))
      },
      10,
    )
    t.ok(Math.max(...delays) <= 1_000, `accepted elsewhere for so many ms: ${summary(delays)}`)
  })
}

for (const settings of [{}, { server_round_robin: '1', min_pool_size: '5' }] as Record<
  string,
  string
>[]) {
  t.test(
    `nobody listens through PgBouncer: it does not start ${JSON.stringify(settings)}`,
    async (t) => {
      const through = await pgbouncer(t, await testDatabase(t), settings)
      const server = await spawnServer(t, { DATABASE_URL: through })
      t.equal(await server.exited, 1)
      t.match(server.output(), /LISTEN does not work over this connection/)
      t.match(server.output(), /DATABASE_LISTEN_URL/)
    },
  )
}
