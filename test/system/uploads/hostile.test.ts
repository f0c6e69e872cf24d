import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { testDatabase } from '../../support/database.js'
import { hostileFiles } from '../../support/hostile.js'
import { bearer } from '../../support/app.js'
import { gradient } from '../../support/pictures.js'
import { post, startServer } from '../../support/server-process.js'
import { until } from '../../support/until.js'

/** The processes for uploads that a process has started, and that have not ended. */
function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        const status = readFileSync(`/proc/${name}/status`, 'latin1')
        const isChild = new RegExp(`^PPid:\\s+${pid}$`, 'm').test(status)
        return isChild && readFileSync(`/proc/${name}/cmdline`, 'latin1').includes('uploads')
      } catch {
        return false // it has ended
      }
    })
    .map(Number)
}

t.test('hostile files end no process but their own, and hold nobody up', async (t) => {
  const server = await startServer(t, { DATABASE_URL: await testDatabase(t), LOG_LEVEL: 'error' })
  const { origin, child, exited } = server
  const pid = child.pid ?? 0
  const tokens: string[] = []
  for (const name of ['a', 'b', 'c', 'd']) {
    const account = { email: `${name}@example.org`, password: 'correct horse battery' }
    await post(`${origin}/api/register`, account)
    const { body } = await post<{ access_token: string }>(`${origin}/api/login`, account)
    tokens.push(body.access_token)
  }
  const maps = readFileSync(`/proc/${pid}/maps`, 'latin1')
  t.notMatch(maps, /sharp|vips/, 'the service itself loads no decoder')
  t.strictSame(childrenOf(pid), [], 'and has no process for it at rest')

  const files = Object.entries(
    hostileFiles(await gradient(16, 16).webp({ lossless: true }).toBuffer()),
  )
  const state = { sending: true }
  const sent = Promise.all(
    tokens.map(async (token, nth) => {
      for (let n = nth; n < files.length; n += tokens.length) {
        const [name, { path, bytes }] = files[n]!
        const form = new FormData()
        form.append('file', new Blob([new Uint8Array(Buffer.from(bytes))]), 'file')
        const asked = { method: 'POST', headers: bearer(token), body: form }
        const answer = await fetch(origin + path, asked)
        const { code } = (await answer.json()) as { code?: string }
        t.match(
          [String(answer.status), String(code)],
          [
            /^(200|422|503)$/,
            /^(undefined|invalid_picture|invalid_readme|overloaded|unavailable)$/,
          ],
          `${name}: ${answer.status}`,
        )
      }
    }),
  ).finally(() => (state.sending = false))
  let most = 0
  let served = 0
  let refused = 0
  while (state.sending) {
    const { status } = await fetch(`${origin}/forward-auth`, { headers: bearer(tokens[0]!) })
    if (status === 200) served += 1
    else refused += 1
    most = Math.max(most, childrenOf(pid).length)
    await sleep(10)
  }
  await sent
  // A machine that is busy with other work may lose the lease of the denylist for a moment.
  t.ok(served > 20 && served > refused * 9, `${served} checks of a token meanwhile, ${refused} 503`)
  t.ok(most > 0 && most <= 2, `${most} processes`)
  t.equal(child.exitCode ?? child.signalCode, null, 'the service is alive')
  await until(() => childrenOf(pid).length === 0, 'the processes to go when idle')

  const form = new FormData()
  form.append('file', new Blob(['# Ada']), 'file')
  const asked = { method: 'POST', headers: bearer(tokens[0]!), body: form }
  t.equal((await fetch(`${origin}/api/upload_readme`, asked)).status, 200)
  const [orphan = 0] = childrenOf(pid)
  t.ok(orphan > 0)
  child.kill('SIGKILL')
  await exited
  await until(
    () => !readdirSync('/proc').includes(String(orphan)),
    'the process to go with its service',
  )
})
