import { mkdtemp, chmod, rm } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/db/embedded.js'
import { ada, bearer, type LoginAnswer } from '../support/app.js'
import { queryAt } from '../support/database.js'
import { post, startServer } from '../support/server-process.js'

/** A PostgreSQL that can be stopped and started behind one address. */
async function interruptible(t: Test) {
  const dataDir = await mkdtemp(join(tmpdir(), 'gatehouse-outage-'))
  await chmod(dataDir, 0o711)
  const log = { info: () => undefined, warn: () => undefined }
  let server: EmbeddedPostgres | undefined = await startEmbeddedPostgres({ dataDir, log })
  const sockets = new Set<Socket>()
  const proxy = createServer((client) => {
    if (!server) return void client.destroy()
    const upstream = connect(Number(new URL(server.url).port), '127.0.0.1')
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one)
      one
        .on('error', () => undefined)
        .on('close', () => {
          sockets.delete(one)
          other.destroy()
        })
    }
    client.pipe(upstream).pipe(client)
  })
  const port = await new Promise<number>((resolve) => {
    proxy.listen(0, '127.0.0.1', () => resolve((proxy.address() as { port: number }).port))
  })
  const url = new URL(server.url)
  url.port = String(port)
  const stop = async () => {
    const stopping = server
    server = undefined
    await stopping?.stop()
  }
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy()
    proxy.close()
    await stop()
    await rm(dataDir, { recursive: true, force: true })
  })
  const start = async () => void (server = await startEmbeddedPostgres({ dataDir, log }))
  return { url: url.href, stop, start }
}

t.test(
  'a stopped database is 503 meanwhile; it heals by itself and nothing acknowledged is lost',
  async (t) => {
    const database = await interruptible(t)
    const server = await startServer(t, { DATABASE_URL: database.url })
    await post(`${server.origin}/api/register`, ada)
    const { body } = await post<LoginAnswer>(`${server.origin}/api/login`, ada)
    const acknowledged: string[] = []
    const faults: string[] = []
    let refused = 0
    let running = true
    let isBack = 0
    let firstSuccess = 0

    async function load(worker: number) {
      for (let n = 0; running; n += 1) {
        const email = `user-${worker}-${n}@example.org`
        const register = await post(`${server.origin}/api/register`, { ...ada, email })
        if (register.status === 201) acknowledged.push(email)
        const user = await fetch(`${server.origin}/api/user`, {
          headers: bearer(body.access_token),
        })
        for (const { status, headers } of [register, user]) {
          if (status === 503 && headers.get('retry-after')) refused += 1
          else if (status >= 300) faults.push(String(status))
          else if (isBack && !firstSuccess) firstSuccess = Date.now()
        }
        await sleep(20)
      }
    }
    const workers = Array.from({ length: 5 }, (_, worker) => load(worker))
    await sleep(1_000)
    await database.stop()
    await sleep(2_000)
    t.equal((await fetch(`${server.origin}/health/live`)).status, 200)
    t.equal((await fetch(`${server.origin}/health/ready`)).status, 503)
    await database.start()
    isBack = Date.now()
    await sleep(3_000)
    running = false
    await Promise.all(workers)

    t.same(faults, [], 'no answer but success and 503 with Retry-After')
    t.ok(refused > 5, `${refused} refusals meanwhile`)
    t.ok(
      firstSuccess > 0 && firstSuccess - isBack < 5_000,
      `healed after ${firstSuccess - isBack} ms`,
    )
    t.equal(server.child.exitCode, null, 'the process lives')
    const rows = await queryAt<{ email: string }>(database.url, 'select email from users')
    const stored = new Set(rows.map(({ email }) => email))
    t.same(
      acknowledged.filter((email) => !stored.has(email)),
      [],
      `all ${acknowledged.length} acknowledged registrations are there`,
    )
  },
)
