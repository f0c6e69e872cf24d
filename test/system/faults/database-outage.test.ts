import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { ada, bearer, type LoginAnswer } from '../../support/app.js'
import { queryAt } from '../../support/database.js'
import { interruptibleDatabase } from '../../support/interruptible-database.js'
import { post, startServer } from '../../support/server-process.js'

t.test(
  'a stopped database is 503 meanwhile; it heals by itself and nothing acknowledged is lost',
  async (t) => {
    const database = await interruptibleDatabase(t)
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
