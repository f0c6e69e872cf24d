import { readFileSync } from 'node:fs'
import t from 'tap'
import { ada } from '../../support/app.js'
import { testDatabase } from '../../support/database.js'
import { post, startServer } from '../../support/server-process.js'

const mebibyte = 1_048_576
const lanes = 2

/** Most memory that a process ever had resident, in bytes (proc(5), VmHWM). */
function peakMemory(pid = 0): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1_024
}

/** Fifty connections that log in one after the other, a thousand times in all: the answers' statuses. */
async function flood(
  origin: string,
  connections: number,
  logins: number,
): Promise<Map<number, number>> {
  const statuses = new Map<number, number>()
  let left = logins
  async function connection() {
    while (left > 0) {
      left -= 1
      const { status, headers } = await post(`${origin}/api/login`, ada)
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
