import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { ada, bearer, type LoginAnswer } from '../support/app.js'
import { testDatabase } from '../support/database.js'
import { post, startServer } from '../support/server-process.js'
import { until } from '../support/until.js'

// What a server loads and keeps, from figures that do not depend on how busy the machine is.

type Script = { url: string; functions: { functionName: string; ranges: { count: number }[] }[] }

/** The scripts that a process loads, with the functions in them, from its coverage. */
async function scriptsOf(t: Test, run: (env: Record<string, string>) => Promise<unknown>) {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-coverage-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  await run({ NODE_V8_COVERAGE: folder })
  return readdirSync(folder).flatMap((name) => {
    const { result } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as { result: Script[] }
    return result.filter(({ url }) => url.startsWith('file:'))
  })
}

t.test(
  'a start loads a few files, and runs no package that a request may never need',
  async (t) => {
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
    const scripts = all.filter(({ url }) => preloaded.every((other) => other.url !== url))
    const urls = [...new Set(scripts.map(({ url }) => url))]
    t.ok(urls.some((url) => /\/dist\/server-\w+\.cjs$/.test(url)))
    t.ok(urls.length <= 2, `${urls.length} files:\n${urls.join('\n')}`)
    const bytes = urls.reduce((sum, url) => sum + statSync(fileURLToPath(url)).size, 0)
    t.ok(bytes < 4_300_000, `${bytes} bytes`)

    const bundle = urls.find((url) => url.endsWith('.cjs')) ?? ''
    t.notMatch(readFileSync(new URL(bundle), 'latin1'), /[^\0-\x7f]/, 'a byte a character')

    // esbuild wraps each file in a function of its name.
    const files = scripts.flatMap(({ functions }) =>
      functions.filter(({ functionName }) => /^(node_modules|src)\//.test(functionName)),
    )
    const ran = files.filter(({ ranges }) => ranges[0]?.count).map((file) => file.functionName)
    t.ok(ran.includes('node_modules/fastify/fastify.js'))
    t.ok(files.some(({ functionName }) => functionName.includes('/nodemailer/')))
    t.ok(ran.length <= 700, `${ran.length} files of packages`)
    t.strictSame(
      ran.filter((name) =>
        /nodemailer|openid-client|oauth4webapi|sharp|markdown|embedded/.test(name),
      ),
      [],
    )
  },
)

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
  t.ok(idle < 20.5, `${idle.toFixed(1)} MiB after the start`)

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
  t.ok(after < 29, `${after.toFixed(1)} MiB`)
})
