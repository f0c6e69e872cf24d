import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import {
  cluster,
  inParallel,
  logins,
  logOut,
  openHost,
  verify,
  verifyAll,
  verifyAtHost,
  type HostLogin,
  type Login,
} from './cluster.js'
import { queryAt } from './database.js'
import { failoverDatabase, type Binaries } from './failover.js'
import type { ServerProcess } from './server-process.js'
import { until } from './until.js'
import { startVerifier } from './verifier.js'

const bound = 2_000 + 250 // the lease, and the deadline of a query
const maxStale = 2_000

type Database = Awaited<ReturnType<typeof failoverDatabase>>
type Options = {
  binaries: Binaries
  /** How the instances reach a database, and hear of revocations. */
  env: (database: Database) => Promise<Record<string, string>> | Record<string, string>
  /** The old primary goes on answering who is still connected to it. */
  survives?: boolean
}

/** How long after its acknowledged logout each token, and that of an app's host, was accepted last, in milliseconds. */
type Stays = { elsewhere: number[]; host: number[]; verifier: number[] }

/**
 * Two instances and a verifier lose their primary to a standby that lags by a few logouts and many
 * transaction ids, and no query fails. What is logged out then, and was before, must stay so.
 */
export async function failOver(t: Test, { binaries, env, survives = false }: Options) {
  const database = await failoverDatabase(t, binaries)
  const each = { DATABASE_POOL_SIZE: '4', ...(await env(database)) }
  const [here, there] = (await cluster(t, [each, each])) as [ServerProcess, ServerProcess]
  const verifier = startVerifier(t, there.origin, { issuer: 'http://gatehouse.test', maxStale })
  const opened = await logins(here, 3, 6)
  const all = await inParallel(opened.length, (at) => openHost(here, opened[at] as Login))
  const [ended, lost, kept] = [all.slice(0, 10), all.slice(10, 15), all.slice(15)]
  await verifier.ready
  const isHeardOf = async (login: HostLogin, server: ServerProcess) =>
    (await verifyAll(server, login)).every((status) => status === 401) &&
    (await verifier.verdict(login.access_token)) === 'invalid_token'

  await database.detach()
  // The new primary gives these numbers out again.
  await queryAt(
    database.primary,
    'do $$ begin for n in 1..2000 loop perform pg_current_xact_id(); commit; end loop; end $$',
  )
  for (const login of lost) t.equal((await logOut(here, login)).status, 200)
  for (const login of lost) await until(() => isHeardOf(login, there), 'a logout to be heard of')
  t.equal(await verifier.verdict(ended[0]!.access_token), 'good')

  await database.promote()
  database.move()
  if (!survives) await database.killPrimary()
  const stays: Stays = { elsewhere: [], host: [], verifier: [] }
  await inParallel(
    ended.length,
    async (at) => {
      const login = ended[at] as HostLogin
      await logOutAtLast(here, login)
      const acknowledged = performance.now()
      let [elsewhere, host, verified] = [0, 0, 0]
      while (performance.now() < acknowledged + bound + 1_500) {
        const asked = performance.now() - acknowledged
        if ((await verify(there, login)).status === 200) elsewhere = asked
        if ((await verifyAtHost(there, login)).status === 200) host = asked
        if ((await verifier.verdict(login.access_token)) === 'good') verified = asked
        await sleep(20)
      }
      stays.elsewhere.push(elsewhere)
      stays.host.push(host)
      stays.verifier.push(verified)
    },
    10,
  )
  const late = (ms: number) => ms > bound
  t.equal(stays.elsewhere.filter(late).length, 0, `an instance: ${stays.elsewhere.map(Math.round)}`)
  t.equal(stays.host.filter(late).length, 0, `an app's host: ${stays.host.map(Math.round)}`)
  t.equal(stays.verifier.filter(late).length, 0, `a verifier: ${stays.verifier.map(Math.round)}`)

  for (const server of [here, there]) {
    const dead = await inParallel(lost.length, (at) => verifyAll(server, lost[at] as HostLogin))
    t.same(new Set(dead.flat()), new Set([401]), 'what was lost holds')
    const alive = await inParallel(kept.length, (at) => verifyAll(server, kept[at] as HostLogin))
    t.same(new Set(alive.flat()), new Set([200]), 'nobody else is out')
  }
  for (const { access_token } of lost)
    t.equal(await verifier.verdict(access_token), 'invalid_token')
  if (survives) return { database, here, there, verifier, kept } // they listen where nothing is new
  const endedIds = lost.flatMap(({ access_token, host_token }) =>
    [access_token, host_token].map(sidOf),
  )
  await until(async () => {
    const rows = await queryAt(
      database.standby,
      `select from token_denylist where id = any ($1)
         and not exists (select from sessions where id = any ($1))`,
      [endedIds],
    )
    return rows.length === endedIds.length
  }, 'the new primary to hold the logouts that it lacked')
  return { database, here, there, verifier, kept }
}

/** A connection may be on its way to the new primary; a 401 says that it was done before. */
async function logOutAtLast(server: ServerProcess, login: Login): Promise<void> {
  await until(async () => [200, 401].includes((await logOut(server, login)).status), 'a logout')
}

const sidOf = (token: string) =>
  (JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { sid: string })
    .sid
