import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { bearer } from '../../support/app.js'
import {
  ask,
  cluster,
  inParallel,
  logins,
  logOut,
  openHost,
  outlives,
  summary,
  verify,
  verifyAll,
  verifyAtHost,
  type HostLogin,
  type Login,
} from '../../support/cluster.js'
import { queryAt, testDatabase } from '../../support/database.js'
import type { ServerProcess } from '../../support/server-process.js'

/** All that a token may come in. */
const spellings = ({ access_token: token }: Login): Record<string, string>[] => [
  bearer(token),
  { authorization: `bearer ${token}` },
  { authorization: `BEARER ${token}` },
  { cookie: `session=${token}` },
  { cookie: `a=b; session=${token}; c=d`, 'sec-fetch-site': 'same-origin' },
  { ...bearer(token), cookie: `session=${token}` },
]

async function accepted(server: ServerProcess, login: HostLogin): Promise<number> {
  const { origin } = server
  const tries = spellings(login).flatMap((headers) => [
    ask(`${origin}/forward-auth`, headers),
    ask(`${origin}/api/user`, headers),
  ])
  tries.push(verifyAtHost(server, login))
  return (await Promise.all(tries)).filter(({ status }) => status !== 401).length
}

async function revoked(t: Test, env: Record<string, string>, count: number) {
  const url = await testDatabase(t)
  const shared = { DATABASE_URL: url, SESSIONS_PER_USER: '1000', ...env }
  const servers = await cluster(t, [shared, shared, shared])
  const [here, ...others] = servers as [ServerProcess, ...ServerProcess[]]
  const opened = await logins(here, 20, Math.ceil(count / 20) + 1)
  const all = await inParallel(opened.length, (at) => openHost(here, opened[at] as Login))
  const [kept, ended] = [all.slice(0, 20), all.slice(20, 20 + count)]
  for (const one of others)
    await inParallel(all.length, (at) => verifyAll(one, all[at] as HostLogin))

  let acceptedHere = 0
  const delays = await inParallel(
    count,
    async (at) => {
      const login = ended[at] as HostLogin
      const { status } = await logOut(here, login)
      if (status !== 200) throw new Error(`logged out: ${status}`)
      const [elsewhere, accepts] = await Promise.all([
        outlives(others, login, [verify, verifyAtHost]),
        accepted(here, login),
      ])
      acceptedHere += accepts
      return elsewhere
    },
    4,
  )
  t.equal(acceptedHere, 0, `${count} logins, each in 13 ways, are dead where they logged out`)
  const times = delays.flat()
  t.ok(Math.max(...times) <= 1_000, `accepted elsewhere for so many ms: ${summary(times)}`)
  for (const server of servers) {
    const after = await inParallel(count, (at) => verifyAll(server, ended[at] as HostLogin))
    t.same(new Set(after.flat()), new Set([401]))
    const others = await inParallel(kept.length, (at) => verifyAll(server, kept[at] as HostLogin))
    t.same(new Set(others.flat()), new Set([200]), 'and nobody else is out')
  }
  return { url, here, kept }
}

t.test('a logout holds at once where it was made, and soon elsewhere', async (t) => {
  const { url, here, kept } = await revoked(t, {}, 1_000)

  await t.test('and 10,000 tokens are verified without a query', async (t) => {
    const transactions = async () => {
      const [row] = await queryAt<{ count: string }>(
        url,
        `select pg_stat_clear_snapshot(), xact_commit + xact_rollback as count
         from pg_stat_database where datname = current_database()`,
      )
      return Number(row?.count)
    }
    // A connection that has become idle reports its transactions ten seconds later.
    await setTimeout(11_000)
    const before = await transactions()
    const start = performance.now()
    const answers = await inParallel(10_000, (at) => verify(here, kept[at % 20] as Login), 32)
    const seconds = (performance.now() - start) / 1_000
    t.same(new Set(answers.map(({ status }) => status)), new Set([200]))
    const count = (await transactions()) - before
    // Three instances ask for news twice a second, and now and then for mail and keys.
    t.ok(count < 100 + seconds * 30, `${count} transactions in ${seconds.toFixed(1)} s`)
  })
})

t.test('the same by polling', async (t) => {
  await revoked(t, { DENYLIST_SYNC: 'poll' }, 80)
})
