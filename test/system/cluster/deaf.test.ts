import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import {
  ask,
  cluster,
  inParallel,
  logins,
  logOut,
  summary,
  verify,
  type Login,
  type Short,
} from '../../support/cluster.js'
import { queryAt, testDatabase } from '../../support/database.js'
import { interruptibleDatabase } from '../../support/interruptible-database.js'
import type { ServerProcess } from '../../support/server-process.js'
import { tcpProxy, type TcpProxy } from '../../support/tcp-proxy.js'
import { until } from '../../support/until.js'

const lease = 2_000
const afterLease = lease + 250

/** A, and B whose way to the database is a link that the test can spoil: to LISTEN, or all of it. */
async function pair(t: Test, what: 'listening' | 'everything', count: number) {
  const url = await testDatabase(t)
  const link = await tcpProxy(t, url)
  const [here, there] = (await cluster(t, [
    { DATABASE_URL: url },
    what === 'listening'
      ? { DATABASE_URL: url, DATABASE_LISTEN_URL: link.url }
      : { DATABASE_URL: link.url },
  ])) as [ServerProcess, ServerProcess]
  const all = await logins(here, Math.ceil(count / 40), 40)
  const last = all.pop() as Login
  return { url, link, here, there, all, last }
}

/** Logs out one after the other; when each was acknowledged. */
async function logOutAll(server: ServerProcess, all: Login[]): Promise<number[]> {
  return inParallel(
    all.length,
    async (at) => {
      const { status } = await logOut(server, all[at] as Login)
      if (status !== 200) throw new Error(`logged out: ${status}`)
      return performance.now()
    },
    8,
  )
}

/** Asks for all of them over and over for so many milliseconds: how long after its end each got in. */
async function overstays(server: ServerProcess, all: Login[], ends: number[], ms: number) {
  const last = all.map(() => 0)
  const answers: Short[] = []
  const end = performance.now() + ms
  while (performance.now() < end) {
    await sleep(20)
    await inParallel(all.length, async (at) => {
      const asked = performance.now()
      const answer = await verify(server, all[at] as Login)
      answers.push(answer)
      if (answer.status === 200) last[at] = Math.max(0, asked - (ends[at] ?? asked))
    })
  }
  return { last, answers }
}

const isLive = async (server: ServerProcess, login: Login) =>
  (await verify(server, login)).status === 200
const isReady = async ({ origin }: ServerProcess) =>
  (await ask(`${origin}/health/ready`, {})).status === 200

async function backends(url: string): Promise<number[]> {
  const rows = await queryAt<{ pid: number }>(
    url,
    `select pid from pg_stat_activity where datname = current_database()
       and application_name = 'gatehouse denylist'`,
  )
  return rows.map(({ pid }) => pid)
}

const spoils: Record<string, (link: TcpProxy, url: string) => Promise<void>> = {
  'goes silent': async (link) => {
    link.silence()
  },
  'is cut and refused': async (link) => {
    link.refuse()
  },
  'no longer listens': async (link) => {
    link.inject('unlisten *')
  },
  'loses its backend': async (_link, url) => {
    for (const pid of await backends(url)) {
      await queryAt(url, 'select pg_terminate_backend($1)', [pid])
    }
  },
}

async function spoilUntil(signal: AbortSignal, link: TcpProxy): Promise<void> {
  for (let round = 0; !signal.aborted; round += 1) {
    await sleep(20 + ((round * 37) % 300))
    if (round % 3 === 0) link.silence()
    else link.cut()
    await sleep((round * 53) % 200)
    link.restore()
  }
}

t.test('B hears nothing: what A ended is not let in after the lease, nor missed', async (t) => {
  const { url, link, here, there, all, last } = await pair(t, 'listening', 1_010)
  const some = () => all.splice(0, 200)

  for (const [name, spoil] of Object.entries(spoils)) {
    await t.test(`the connection that listens ${name}`, async (t) => {
      const ending = some()
      t.ok(await isLive(there, ending[0] as Login))
      await spoil(link, url)
      const ends = await logOutAll(here, ending)
      const { last: stays, answers } = await overstays(there, ending, ends, afterLease + 500)
      t.ok(Math.max(...stays) <= afterLease, `accepted for so many ms: ${summary(stays)}`)
      const odd = answers.filter(({ status }) => ![200, 401].includes(status))
      t.same(odd, [], 'the database was asked meanwhile')
      link.restore()
      await healed(t, ending)
    })
  }

  await t.test('the connection that listens dies over and over', async (t) => {
    const ending = some()
    const spoiling = new AbortController()
    const spoiled = spoilUntil(spoiling.signal, link)
    const ends = await logOutAll(here, ending)
    const { last: stays } = await overstays(there, ending, ends, 4_000)
    spoiling.abort()
    await spoiled
    link.cut()
    t.ok(Math.max(...stays) <= afterLease, `accepted for so many ms: ${summary(stays)}`)
    await healed(t, ending)
    t.ok(link.count <= 2, `${link.count} connections`)
  })

  async function healed(t: Test, ended: Login[]): Promise<void> {
    await until(() => isReady(there), 'the instance to hear again')
    const after = await inParallel(ended.length, (at) => verify(there, ended[at] as Login))
    t.same(new Set(after.map(({ status }) => status)), new Set([401]), 'nothing was missed')
    t.ok(await isLive(there, last), 'nobody else is out')
    const one = all.pop() as Login
    await logOut(here, one)
    await until(async () => !(await isLive(there, one)), 'news to arrive')
  }
})

t.test('all goes silent: 503, soon, for everybody, until it is back', async (t) => {
  const { link, here, there, all, last } = await pair(t, 'everything', 50)
  t.ok(await isLive(there, last))
  link.silence()
  const ends = await logOutAll(here, all)
  const { last: stays } = await overstays(there, all, ends, afterLease)
  t.ok(Math.max(...stays) <= afterLease, `accepted for so many ms: ${summary(stays)}`)

  const answers = await inParallel(600, () => verify(there, last), 50)
  t.same(new Set(answers.map(({ status }) => status)), new Set([503]))
  t.ok(answers.every(({ retryAfter }) => retryAfter !== undefined))
  const times = answers.map(({ ms }) => ms)
  t.ok(Math.max(...times) < 2_000, `refused after so many ms: ${summary(times)}`)
  t.equal((await ask(`${there.origin}/health/live`, {})).status, 200)
  t.notOk(await isReady(there))

  link.restore()
  const start = performance.now()
  await until(() => isReady(there), 'the instance to heal')
  t.comment(`healed after ${(performance.now() - start).toFixed(0)} ms`)
  t.ok(await isLive(there, last))
  const after = await inParallel(all.length, (at) => verify(there, all[at] as Login))
  t.same(
    new Set(after.map(({ status }) => status)),
    new Set([401]),
    'what ended meanwhile has ended',
  )
})

t.test('PostgreSQL itself restarts amid logouts: what was acknowledged holds', async (t) => {
  const database = await interruptibleDatabase(t)
  const servers = await cluster(t, [{ DATABASE_URL: database.url }, { DATABASE_URL: database.url }])
  const [here, there] = servers as [ServerProcess, ServerProcess]
  const all = await logins(here, 26, 39)
  const last = all.pop() as Login
  const odd: number[] = []

  /** Asks until it is acknowledged; after an answer that was lost the token may be dead already. */
  async function logOutAtLast(login: Login): Promise<number> {
    for (let tries = 0; tries < 600; tries += 1) {
      await sleep(100) // else all of them were out before the end
      const { status } = await logOut(here, login)
      if (status === 200 || status === 401) return performance.now()
      if (status !== 503) odd.push(status)
    }
    throw new Error('it was never acknowledged')
  }

  const ends: number[] = []
  const ending = inParallel(
    all.length,
    async (at) => (ends[at] = await logOutAtLast(all[at] as Login)),
    32,
  )
  const watched = overstays(there, all, ends, 12_000)
  await sleep(1_000)
  await database.stop()
  await sleep(1_000) // what was on its way
  const before = ends.filter(Boolean).length
  await sleep(3_000)
  t.equal(ends.filter(Boolean).length, before, 'nobody is told of an end that was not committed')
  await database.start()
  await ending
  const { last: stays, answers } = await watched
  t.ok(before > 0 && before < all.length, `${before} had ended before`)
  t.ok(Math.max(...stays) <= afterLease, `accepted for so many ms: ${summary(stays)}`)
  for (const { status } of answers) if (![200, 401, 503].includes(status)) odd.push(status)
  t.same(odd, [], 'nothing but 503 meanwhile')
  for (const server of servers) {
    await until(() => isReady(server), 'the instance to heal')
    const after = await inParallel(all.length, (at) => verify(server, all[at] as Login))
    t.same(new Set(after.map(({ status }) => status)), new Set([401]), 'nothing was missed')
    t.ok(await isLive(server, last), 'nobody else is out')
  }
})
