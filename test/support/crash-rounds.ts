import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import {
  cluster,
  inParallel,
  logIn,
  logins,
  logOut,
  openHost,
  verifyAll,
  type HostLogin,
  type Login,
} from './cluster.js'
import { testDatabase } from './database.js'
import { random, type Random } from './random.js'
import { freePort, post, type ServerProcess } from './server-process.js'
import { until } from './until.js'

/** What clients were told. Of what was never answered, either is right: that is not in it. */
type Ledger = { ended: HostLogin[]; live: Set<HostLogin> }

const users = 8

/**
 * Clients log in, refresh and log out on an instance that is killed in the middle of it, over and
 * over: what was acknowledged holds afterwards, from the first answer on.
 */
export async function crashRounds(t: Test, rounds: number, seed: number): Promise<void> {
  const next = random(seed)
  const env = {
    DATABASE_URL: await testDatabase(t),
    PORT: String(await freePort()),
    REFRESH_GRACE: '10m', // a restart may take long
  }
  let [server] = (await cluster(t, [env])) as [ServerProcess]
  await logins(server, users)
  let checked = 0

  for (let round = 0; round < rounds; round += 1) {
    const ledger: Ledger = { ended: [], live: new Set() }
    const { child } = server
    const working = inParallel(users, (at) => work(server, at, ledger, next))
    const enough = 5 + next() * 25
    await until(() => ledger.ended.length >= enough, 'logouts')
    await sleep(next() * 20)
    child.kill('SIGKILL')
    await working
    checked += ledger.ended.length

    const restarting = cluster(t, [env])
    const early = await knock(server, ledger.ended, restarting)
    t.same(early, [], `seed ${seed}, round ${round}: no early answer lets in who logged out`)
    server = (await restarting)[0] as ServerProcess
    await examine(t, server, ledger)
  }
  t.comment(`${checked} acknowledged logouts`)
}

/** Until the instance is gone. */
async function work(server: ServerProcess, user: number, ledger: Ledger, next: Random) {
  const refresh = ({ refresh_token }: Login) =>
    post<Login>(`${server.origin}/api/refresh`, { refresh_token })
  for (;;) {
    const first = await logIn(server, user)
      .then((login) => openHost(server, login))
      .catch(() => undefined)
    if (!first) return
    ledger.live.add(first)
    const second = await refresh(first).catch(() => undefined)
    if (second?.status !== 200) return
    const login = { ...first, ...second.body }
    ledger.live.delete(first)
    ledger.live.add(login)
    if (next() < 0.2) continue
    ledger.live.delete(login)
    if ((await logOut(server, login)).status !== 200) return
    ledger.ended.push(login)
  }
}

/** Tries who logged out until the instance serves: what it answered but refusals. */
async function knock(
  server: ServerProcess,
  ended: HostLogin[],
  restarting: Promise<unknown>,
): Promise<number[]> {
  const ready = new AbortController()
  const done = restarting.finally(() => ready.abort())
  const odd: number[] = []
  while (!ready.signal.aborted) {
    const answers = await Promise.all(ended.slice(-5).map((login) => verifyAll(server, login)))
    odd.push(...answers.flat().filter((status) => ![0, 401, 503].includes(status)))
    await sleep(20)
  }
  await done
  return odd
}

async function examine(t: Test, server: ServerProcess, { ended, live }: Ledger): Promise<void> {
  const refresh = ({ refresh_token }: Login) =>
    post(`${server.origin}/api/refresh`, { refresh_token })
  const gone = await inParallel(ended.length, async (at) => {
    const login = ended[at] as HostLogin
    return [...(await verifyAll(server, login)), (await refresh(login)).status]
  })
  t.same(
    gone.flat().filter((status) => status !== 401),
    [],
    `${ended.length} logouts hold`,
  )
  const here = [...live]
  const alive = await inParallel(here.length, async (at) => {
    const login = here[at] as HostLogin
    return [...(await verifyAll(server, login)), (await refresh(login)).status]
  })
  t.same(
    alive.flat().filter((status) => status !== 200),
    [],
    `${here.length} sessions go on`,
  )
}
