import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { cluster, inParallel, logins, outlives, verify, type Login } from './cluster.js'
import { queryAt, testDatabase } from './database.js'
import { random } from './random.js'
import { post, type ServerProcess } from './server-process.js'
import { tcpProxy } from './tcp-proxy.js'

type Options = {
  sessions: number
  rounds: number
  /** How many refreshes of one session are under way at once. */
  parallel: number
  instances: number
  /** In seconds. A generation is moved on after half of it, and after five at most. */
  grace: number
  seed: number
}

/**
 * Clients that refresh in parallel, over several instances, and lose answers at random: each keeps one of
 * the answers that arrived, asks again where none did, and goes on. Every session must have one lineage;
 * then a copy of each client's last token but one comes back after the grace.
 */
export async function refreshClients(t: Test, options: Options): Promise<void> {
  const { sessions, rounds, parallel, instances, grace, seed } = options
  const next = random(seed)
  const url = await testDatabase(t)
  const env = { DATABASE_URL: url, REFRESH_GRACE: `${grace}s` }
  const servers = await cluster(
    t,
    Array.from({ length: instances }, () => env),
  )
  const links = await Promise.all(servers.map(({ origin }) => tcpProxy(t, origin)))
  const clients = await logins(servers[0] as ServerProcess, 10, Math.ceil(sessions / 10))
  const spent: Login[] = []
  let lost = 0
  let total = 0
  for (const link of links) {
    link.onAnswer((_chunk, cut) => {
      if (next() >= 0.3) return true
      lost += 1
      cut()
      return false
    })
  }

  const anyOf = <Item>(list: Item[]) => list[Math.floor(next() * list.length)] as Item

  /** Undefined where the answer was lost. A busy instance says so, and is asked again. */
  async function refresh({ refresh_token }: Login): Promise<Login | undefined> {
    total += 1
    const link = anyOf(links)
    const answer = await post<Login>(`${link.url}/api/refresh`, { refresh_token }).catch(
      () => undefined,
    )
    if (answer?.status === 503) return refresh({ access_token: '', refresh_token })
    if (answer && answer.status !== 200) refusals.push(answer.status)
    return answer?.status === 200 ? answer.body : undefined
  }
  const refusals: number[] = []
  const forks: number[] = []

  async function step(at: number): Promise<void> {
    const present = clients[at] as Login
    for (let tries = 0; tries < 20; tries += 1) {
      const answers = await Promise.all(Array.from({ length: parallel }, () => refresh(present)))
      const arrived = answers.flatMap((answer) => answer ?? [])
      if (new Set(arrived.map(placeOf)).size > 1) forks.push(at)
      if (arrived.length === 0) continue
      spent[at] = present
      clients[at] = anyOf(arrived)
      return
    }
  }

  for (let round = 0; round < rounds; round += 1) {
    await inParallel(sessions, step, 20)
    await sleep(Math.min(5, grace / 2) * 1_000 + 100)
  }
  t.comment(`${total} refreshes, ${lost} answers lost`)
  t.ok(lost > total / 10)
  t.same(refusals, [], 'no refresh is refused')
  t.same(forks, [], 'all answers of one token have one place')
  const found = await queryAt<{ id: string; generation: number }>(url, 'select * from sessions')
  t.same(
    found.map(({ id, generation }) => `${id}.${generation}`).sort(),
    clients.map(placeOf).sort(),
    'every client has the one present generation of its session',
  )
  t.same(new Set(found.map(({ generation }) => generation)), new Set([rounds]))
  t.same(await queryAt(url, `select * from audit_log where event = 'session.refresh_reuse'`), [])

  for (const link of links) link.onAnswer(undefined)
  const alive = await inParallel(
    sessions,
    async (at) =>
      (await verify(servers[at % instances] as ServerProcess, clients[at] as Login)).status,
  )
  t.same(new Set(alive), new Set([200]), 'nobody is out')

  await sleep(grace * 1_000)
  const delays = await inParallel(
    sessions,
    async (at) => {
      const { refresh_token } = spent[at] as Login
      const { origin } = servers[(at + 1) % instances] as ServerProcess
      const { status } = await post(`${origin}/api/refresh`, { refresh_token })
      t.equal(status, 401, 'a thief after the grace')
      return Math.max(...(await outlives(servers, clients[at] as Login)))
    },
    4,
  )
  const latest = Math.max(...delays)
  t.ok(latest < 2_000, `the last token dies ${latest.toFixed(0)} ms after its thief came`)
  t.same(await queryAt(url, 'select from sessions'), [])
}

/** The session of a refresh token, and its generation in it. */
function placeOf({ refresh_token }: Login): string {
  const [, payload = ''] = refresh_token.split('.')
  const { sid, gen } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as {
    sid: string
    gen: number
  }
  return `${sid}.${gen}`
}
