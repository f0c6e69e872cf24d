import type { Test } from 'tap'
import { cluster, inParallel, logins, outlives, verify, type Login } from './cluster.js'
import { queryAt, testDatabase } from './database.js'
import { passTime } from './pass-time.js'
import { random } from './random.js'
import { post, type ServerProcess } from './server-process.js'
import { tcpProxy } from './tcp-proxy.js'
import { until } from './until.js'

type Options = {
  sessions: number
  rounds: number
  /** How many refreshes of one session are under way at once. */
  parallel: number
  instances: number
  seed: number
}

/**
 * Clients that refresh in parallel, over several instances, and lose answers at random: each keeps one of
 * the answers that arrived, asks again where none did, and goes on. Every session must have one lineage;
 * then a copy of each client's last token but one comes back after the grace.
 */
export async function refreshClients(t: Test, options: Options): Promise<void> {
  const { sessions, rounds, parallel, instances, seed } = options
  const next = random(seed)
  const url = await testDatabase(t)
  const sql = <Row>(text: string, values?: unknown[]) => queryAt<Row>(url, text, values)
  const env = { DATABASE_URL: url, REFRESH_GRACE: '1m' }
  const servers = await cluster(
    t,
    Array.from({ length: instances }, () => env),
  )
  const links = await Promise.all(servers.map(({ origin }) => tcpProxy(t, origin)))
  const clients = await logins(servers[0] as ServerProcess, 10, Math.ceil(sessions / 10))
  const spent: Login[] = []
  const refusals: number[] = []
  const forks: number[] = []
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

  /** Undefined where the answer was lost, or the instance was busy. */
  async function refresh({ refresh_token }: Login): Promise<Login | undefined> {
    total += 1
    const link = anyOf(links)
    const answer = await post<Login>(`${link.url}/api/refresh`, { refresh_token }).catch(
      () => undefined,
    )
    if (answer && ![200, 503].includes(answer.status)) refusals.push(answer.status)
    return answer?.status === 200 ? answer.body : undefined
  }

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
    await passTime(sql, '6 seconds')
  }
  t.comment(`${total} refreshes, ${lost} answers lost`)
  t.ok(lost > total / 10)
  t.same(refusals, [], 'no refresh is refused')
  t.same(forks, [], 'all answers of one token have one place')
  const rows = await sql<{ id: string; generation: number }>('select * from sessions')
  t.same(
    rows.map(({ id, generation }) => `${id}.${generation}`).sort(),
    clients.map(placeOf).sort(),
    'every client has the one present generation of its session',
  )
  t.same(new Set(rows.map(({ generation }) => generation)), new Set([rounds]))
  t.same(await sql(`select * from audit_log where event = 'session.refresh_reuse'`), [])

  for (const link of links) link.onAnswer(undefined)
  const alive = await inParallel(
    sessions,
    async (at) =>
      (await verify(servers[at % instances] as ServerProcess, clients[at] as Login)).status,
  )
  t.same(new Set(alive), new Set([200]), 'nobody is out')

  const isWritten = async () =>
    (await sql('select from sessions where used_generation < generation')).length === 0
  await until(isWritten, 'the uses to be written down')
  await passTime(sql, '1 minute')
  const found: number[] = []
  const delays = await inParallel(
    sessions,
    async (at) => {
      const { refresh_token } = spent[at] as Login
      const { origin } = servers[(at + 1) % instances] as ServerProcess
      const { status } = await post(`${origin}/api/refresh`, { refresh_token })
      found.push(status)
      return Math.max(...(await outlives(servers, clients[at] as Login)))
    },
    4,
  )
  t.same(new Set(found), new Set([401]))
  const latest = Math.max(...delays)
  t.ok(latest < 2_000, `the last token dies ${latest.toFixed(0)} ms after its thief came`)
  t.same(await sql('select from sessions'), [])
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
