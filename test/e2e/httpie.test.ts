import { execFile } from 'node:child_process'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import t, { type Test } from 'tap'
import { ada, listeningApp, signUp } from '../support/app.js'

const folder = fileURLToPath(new URL('../../examples/httpie/', import.meta.url))

/** A service, and the scripts of a user of it. */
async function scriptsOf(t: Test) {
  const service = await listeningApp(t)
  const { user } = await signUp(service.app)
  const home = t.testdir()
  const header = join(home, 'gatehouse', 'header')
  const environment = { GATEHOUSE_URL: service.origin, GATEHOUSE_HEADER: header, HOME: home }
  const run = (name: string, args: string[] = [], input = '', env: Record<string, string> = {}) =>
    new Promise<{ code: number; out: string }>((resolve) => {
      const options = { env: { PATH: process.env.PATH, ...environment, ...env } }
      const done = (error: { code?: number | string | null } | null, out: string, bad: string) =>
        resolve({ code: Number(error?.code ?? 0), out: out + bad })
      execFile(join(folder, name), args, options, done).stdin?.end(input)
    })
  const promote = () =>
    service.sql(`insert into user_roles (user_id, role) values ($1, 'admin')`, [user.id])
  return { ...service, user, header, home, run, promote }
}

t.test('a script makes a key once, and the others use it', async (t) => {
  const { header, home, run, user, sql } = await scriptsOf(t)
  t.match(await run('login.sh', ['job', ada.email], `${ada.password}\n`), { code: 0 })
  t.equal((await stat(header)).mode & 0o777, 0o600)
  t.match(await readFile(header, 'utf8'), /^Bearer gatehouse_/)
  t.strictSame(await sql('select from sessions'), [{}], 'the login of the script has ended')
  const who = await run('whoami.sh')
  t.equal(who.code, 0, who.out)
  t.match(JSON.parse(who.out), { user: { id: user.id } })
  const picture = join(home, 'me.png')
  const png = sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } }).png()
  await writeFile(picture, await png.toBuffer())
  t.match(await run('upload.sh', [picture]), { code: 0 })
  t.match(await run('export.sh'), { code: 4, out: /forbidden/ }, 'the key has no roles')
})

t.test('a key of an administrator exports users and disables one', async (t) => {
  const { app, run, promote } = await scriptsOf(t)
  await promote()
  const { user: other } = await signUp(app, { email: 'grace@example.org', password: ada.password })
  t.match(await run('login.sh', ['job', ada.email, 'admin'], `${ada.password}\n`), { code: 0 })
  const { code, out } = await run('export.sh')
  t.equal(code, 0, out)
  t.equal(out.trim().split('\n').length, 2)
  t.match(await run('admin.sh', [other.id]), { code: 0, out: /User disabled/ })
})

t.test('a refusal exits with 4, and a service that is down with another code', async (t) => {
  const { run, header } = await scriptsOf(t)
  const wrong = await run('login.sh', ['job', ada.email], 'another horse battery\n')
  t.match(wrong, { code: 4, out: /invalid_credentials/ })
  await run('login.sh', ['job', ada.email], `${ada.password}\n`)
  await writeFile(header, 'Bearer gatehouse_wrong')
  t.match(await run('whoami.sh'), { code: 4, out: /invalid_token/ })
  const down = await run('whoami.sh', [], '', { GATEHOUSE_URL: 'http://127.0.0.1:1' })
  t.equal(down.code, 1, down.out)
})
