import { readFileSync } from 'node:fs'
import t from 'tap'
import { ada } from '../../support/app.js'
import { queryAt, testDatabase } from '../../support/database.js'
import { foreignHash } from '../../support/foreign-hashes.js'
import { post, startServer } from '../../support/server-process.js'
import { until } from '../../support/until.js'

const mebibyte = 1_048_576
const lanes = 2

/** Most memory that a process ever had resident, in bytes (proc(5), VmHWM). */
function peakMemory(pid = 0): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1_024
}

/** The CPU time that a process used, in ticks (proc(5), utime and stime). */
function cpuTime(pid = 0): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
  return Number(user) + Number(system)
}

/** The child process that hashes: each thread of a process lists the children that it started. */
function childOf(pid = 0): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ')[0])
}

/** Fifty connections that log in one after the other, a thousand times in all: the answers' statuses. */
async function flood(
  origin: string,
  connections: number,
  logins: number,
  account: object = ada,
): Promise<Map<number, number>> {
  const statuses = new Map<number, number>()
  let left = logins
  async function connection() {
    while (left > 0) {
      left -= 1
      const { status, headers } = await post(`${origin}/api/login`, account)
      const outcome = status === 503 && !headers.get('retry-after') ? 500 : status
      statuses.set(outcome, (statuses.get(outcome) ?? 0) + 1)
    }
  }
  await Promise.all(Array.from({ length: connections }, connection))
  return statuses
}

const real = { ARGON2_MEMORY: '19456', ARGON2_ITERATIONS: '2', HASH_LANES: String(lanes) }

t.test(
  'a thousand logins from fifty connections: bounded memory, and none fails',
  { timeout: 180_000 },
  async (t) => {
    const server = await startServer(t, { DATABASE_URL: await testDatabase(t), ...real })
    await post(`${server.origin}/api/register`, ada)
    await flood(server.origin, 1, 100) // what every process grows by at first is no login's
    const base = peakMemory(server.child.pid)
    const statuses = await flood(server.origin, 50, 1_000)
    t.same(
      [...statuses.keys()].filter((status) => status !== 200 && status !== 503),
      [],
    )
    t.ok((statuses.get(200) ?? 0) > 100, `${statuses.get(200)} succeeded`)
    const grown = (peakMemory(server.child.pid) - base) / mebibyte
    t.ok(grown < lanes * 19 + 64, `memory grew by ${grown.toFixed(0)} MiB`)
  },
)

t.test(
  'beyond the queue a login is 503 with Retry-After, and a token check is not held up',
  { timeout: 60_000 },
  async (t) => {
    const server = await startServer(t, {
      DATABASE_URL: await testDatabase(t),
      ...real,
      HASH_QUEUE: '4',
    })
    await post(`${server.origin}/api/register`, ada)
    const { body } = await post<{ access_token: string }>(`${server.origin}/api/login`, ada)
    const flooding = flood(server.origin, 60, 300)
    const times: number[] = []
    for (let n = 0; n < 20; n += 1) {
      const start = performance.now()
      const answer = await fetch(`${server.origin}/api/user`, {
        headers: { authorization: `Bearer ${body.access_token}` },
      })
      t.equal(answer.status, 200)
      times.push(performance.now() - start)
    }
    const statuses = await flooding
    t.same([...statuses.keys()].sort(), [200, 503])
    const median = times.sort((a, b) => a - b)[10] ?? 0
    t.ok(median < 1_000, `half of the token checks took less than ${median.toFixed(0)} ms`)
  },
)

t.test(
  'hashes of other systems are verified in the child process, whose end fails only what it was hashing',
  { timeout: 120_000 },
  async (t) => {
    const url = await testDatabase(t)
    const server = await startServer(t, { DATABASE_URL: url, ...real, HASH_QUEUE: '4' })
    await post(`${server.origin}/api/register`, ada)
    const { body } = await post<{ access_token: string }>(`${server.origin}/api/login`, ada)
    const { hash, scheme } = foreignHash('django bcrypt')
    await queryAt(
      url,
      `insert into users (id, email, email_canonical, password_hash, password_scheme, activated_at)
       values (gen_random_uuid(), $1, $1, $2, $3, now())`,
      ['old@example.org', hash, scheme],
    )
    const wrong = { email: 'old@example.org', password: 'wrong horse battery' }
    await post(`${server.origin}/api/login`, wrong)
    const { pid } = server.child
    const [service, child] = [cpuTime(pid), cpuTime(childOf(pid))]
    const times: number[] = []
    async function checkTokens() {
      for (let n = 0; n < 20; n += 1) {
        const start = performance.now()
        const headers = { authorization: `Bearer ${body.access_token}` }
        t.equal((await fetch(`${server.origin}/api/user`, { headers })).status, 200)
        times.push(performance.now() - start)
      }
    }
    const flooding = flood(server.origin, 30, 150, wrong)
    await checkTokens()
    const statuses = await flooding
    t.same([...statuses.keys()].sort(), [401, 503])
    const used = [cpuTime(pid) - service, cpuTime(childOf(pid)) - child] as const
    t.ok(used[0] < used[1], `ticks of the service: ${used[0]}, of the child: ${used[1]}`)

    const again = flood(server.origin, 30, 150, wrong)
    process.kill(childOf(pid), 'SIGKILL')
    await checkTokens()
    t.same([...(await again).keys()].sort(), [401, 503], 'each 503 has Retry-After')
    const median = times.sort((a, b) => a - b)[20] ?? 0
    t.ok(median < 1_000, `half of the token checks took less than ${median.toFixed(0)} ms`)
    const logIn = async () => (await post(`${server.origin}/api/login`, ada)).status === 200
    await until(logIn, 'a login')
  },
)
