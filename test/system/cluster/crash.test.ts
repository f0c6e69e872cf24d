import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { ask, cluster, logins, logOut, verify, type Login } from '../../support/cluster.js'
import { crashRounds } from '../../support/crash-rounds.js'
import { queryAt, testDatabase } from '../../support/database.js'
import { freePort, spawnServer, type ServerProcess } from '../../support/server-process.js'

t.test('killed at any moment, an instance forgets nothing that it acknowledged', async (t) => {
  await crashRounds(t, 3, 1) // test/e2e/crash.test.ts has more
})

t.test('nobody is let in, nor is it ready, before it holds every denial', async (t) => {
  const url = await testDatabase(t)
  const port = String(await freePort())
  const shared = { DATABASE_URL: url, PUBLIC_URL: 'http://gatehouse.test' }
  const [first] = (await cluster(t, [shared])) as [ServerProcess]
  const [login] = (await logins(first, 1)) as [Login]
  await logOut(first, login)
  await queryAt(
    url,
    `insert into token_denylist (id, expires_at)
     select gen_random_uuid(), now() + interval '1 hour' from generate_series(1, 200000)`,
  )
  const server = await spawnServer(t, { ...shared, PORT: port })
  const seen = { verified: new Set<number>(), ready: new Set<number>() }
  const end = performance.now() + 60_000
  while (!seen.ready.has(200) && performance.now() < end) {
    seen.verified.add((await verify(server, login)).status)
    seen.ready.add((await ask(`${server.origin}/health/ready`, {})).status)
    await sleep(5)
  }
  t.ok(seen.ready.has(200), 'it serves in the end')
  t.same(
    [...seen.verified].filter((status) => ![0, 401, 503].includes(status)),
    [],
  )
  t.equal((await verify(server, login)).status, 401)
})
