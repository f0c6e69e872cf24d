import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { ada, bearer, type LoginAnswer } from '../support/app.js'
import { testDatabase } from '../support/database.js'
import { post, startServer } from '../support/server-process.js'
import { until } from '../support/until.js'

// What a server loads and keeps, from figures that do not depend on how busy the machine is.

/** The scripts that a process loads, from its coverage. */
async function scriptsOf(t: Test, run: (env: Record<string, string>) => Promise<unknown>) {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-coverage-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  await run({ NODE_V8_COVERAGE: folder })
  const urls = readdirSync(folder).flatMap((name) => {
    const { result } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as {
      result: { url: string }[]
    }
    return result.map(({ url }) => url).filter((url) => url.startsWith('file:'))
  })
  return [...new Set(urls)]
}

t.test('a start loads a few files, and nothing that a first request may never need', async (t) => {
  const DATABASE_URL = await testDatabase(t)
  // The runner of the tests preloads files into every process.
  const preloaded = await scriptsOf(t, (env) =>
    promisify(execFile)(process.execPath, ['--eval', ''], { env: { ...process.env, ...env } }),
  )
  const all = await scriptsOf(t, async (env) => {
    const server = await startServer(t, { DATABASE_URL, SHUTDOWN_DELAY: '0s', ...env })
    server.child.kill('SIGTERM')
    t.equal(await server.exited, 0)
  })
  const scripts = all.filter((url) => !preloaded.includes(url))
  t.ok(scripts.some((url) => url.endsWith('/dist/server.js')))
  t.ok(scripts.length <= 14, `${scripts.length} files:\n${scripts.join('\n')}`)
  const bytes = scripts.reduce((sum, url) => sum + readFileSync(fileURLToPath(url)).length, 0)
  t.ok(bytes < 4_200_000, `${bytes} bytes`)
  const late = /nodemailer|openid|sharp|markdown|embedded/
  t.strictSame(
    scripts.map((url) => basename(url)).filter((name) => late.test(name)),
    [],
  )
})

t.test('the heap after a start and after work stays small', async (t) => {
  const preload = new URL('../support/report-heap.mjs', import.meta.url).href
  const server = await startServer(t, {
    DATABASE_URL: await testDatabase(t),
    NODE_OPTIONS: `--import=${preload}`,
  })
  const heap = async () => {
    const seen = server.output().length
    server.child.kill('SIGPWR')
    const said = () => /heap (\d+)\n/.exec(server.output().slice(seen))?.[1]
    await until(() => said() !== undefined, 'the size of the heap')
    return Number(said()) / 1_048_576
  }
  const idle = await heap()
  t.ok(idle < 30, `${idle.toFixed(1)} MiB after the start`)

  await post(`${server.origin}/api/register`, ada)
  const { body } = await post<LoginAnswer>(`${server.origin}/api/login`, ada)
  const work = async (count: number) => {
    for (let nth = 0; nth < count; nth += 1) {
      await fetch(`${server.origin}/api/user`, { headers: bearer(body.access_token) })
      await post(`${server.origin}/api/refresh`, { refresh_token: body.refresh_token })
    }
  }
  await work(300)
  const before = await heap()
  await work(1_000)
  const after = await heap()
  t.ok(after < before * 1.1, `${before.toFixed(1)} MiB, and ${after.toFixed(1)} after more work`)
  t.ok(after < 36, `${after.toFixed(1)} MiB`)
})
