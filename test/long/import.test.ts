import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { forTests, keysSecret } from '../support/app.js'
import { gatehouse } from '../support/command-line.js'
import { statementsAt, testDatabase } from '../support/database.js'
import { temporaryFolder } from '../support/folder.js'

const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))
const users = 100_000
const hash = `$2b$12$abcdefghijklmnopqrstuu${'A'.repeat(30)}O`

function* rows() {
  yield 'email,username,name,password,created_at\n'
  for (let nth = 0; nth < users; nth += 1) {
    const at = new Date(Date.UTC(2020, 0, 1) + nth * 1_000).toISOString()
    yield `user-${nth}@example.org,user${nth},"Nth, ""${nth}""",${hash},${at}\n`
  }
}

/** The lines after the first one, which has the time of the export. */
async function digestOf(file: string): Promise<string> {
  const digest = createHash('sha256')
  let isBody = false
  for await (const chunk of createReadStream(file, 'latin1')) {
    const text = String(chunk)
    digest.update(isBody ? text : text.slice(text.indexOf('\n')), 'latin1')
    isBody = true
  }
  return digest.digest('hex')
}

/** Starts an import, and kills it when half of the users are there. */
async function importHalf(t: Test, url: string, args: string[], count: () => Promise<number>) {
  const env = { PATH: process.env.PATH, KEYS_SECRET: keysSecret, DATABASE_URL: url, ...forTests }
  const child = spawn(process.execPath, [cli, 'import', ...args], { env, stdio: 'ignore' })
  t.teardown(() => child.kill('SIGKILL'))
  while ((await count()) < users / 2) {
    if (child.exitCode !== null) throw new Error('it has ended')
    await sleep(50)
  }
  child.kill('SIGKILL')
  await once(child, 'exit')
}

t.test('100,000 users are imported once, and exported and imported again', async (t) => {
  const url = await testDatabase(t)
  const sql = statementsAt(t, url)
  const folder = await temporaryFolder(t)
  const csv = join(folder, 'users.csv')
  await pipeline(Readable.from(rows()), createWriteStream(csv))
  const run = (...args: string[]) => gatehouse(url, args, {}, '', folder)
  const count = async () =>
    (await sql<{ users: number }>('select count(*)::int as users from users'))[0]?.users ?? 0

  t.equal((await run('users', 'list')).code, 0)
  await importHalf(t, url, [csv], count)
  const half = await count()
  t.ok(half >= users / 2 && half < users, `${half} users at the kill`)
  const second = await run('import', csv)
  t.equal(second.code, 0, second.errors)
  t.equal(await count(), users)
  t.match(second.out, new RegExp(` ${users - half} users imported`))
  const [distinct] = await sql(
    `select count(distinct email_canonical)::int as users,
       count(*) filter (where username = 'user' || substring(email from '[0-9]+'))::int as whole
     from users`,
  )
  t.same(distinct, { users, whole: users })

  const [first, again] = [join(folder, 'first.ndjson'), join(folder, 'again.ndjson')]
  t.equal((await run('export', first)).code, 0)
  t.equal((await run('reset-db', '--yes')).code, 0)
  t.equal(await count(), 0)
  const third = await run('import', first)
  t.equal(third.code, 0, third.errors)
  t.equal((await run('export', again)).code, 0)
  t.equal(await digestOf(again), await digestOf(first), 'byte for byte')
})
