import { execFile, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import t, { type Test } from 'tap'
import { listeningApp } from '../support/app.js'
import { freePort } from '../support/server-process.js'
import { until } from '../support/until.js'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))

/** Runtimes to install from npm and to run beside Node, such as `deno bun workerd`. */
const runtimes = (process.env.RUNTIMES ?? '').split(' ').filter((name) => name !== '')

const flow = `
const flow = async ({ createClient, GatehouseError }, url, email) => {
  const client = createClient({ url })
  const seen = []
  client.subscribe((event) => seen.push(event))
  const account = { email, password: 'correct horse battery' }
  await client.register(account)
  const refused = await client.login({ email, password: 'x' }).catch((error) => error)
  seen.push(refused instanceof GatehouseError && refused.code)
  await client.login(account)
  seen.push((await client.user()).email === email)
  seen.push((await client.uploadReadme(new Blob(['# Ada']))).markdown)
  seen.push((await client.fetch(url + '/api/user')).status)
  await client.logout()
  seen.push(await client.user())
  return seen.map(String).join(' ')
}
`
const expected = 'invalid_credentials login true # Ada 200 logout undefined'

const files = {
  'package.json': '{ "private": true, "type": "module" }',
  'program.js': `import * as client from '@gatehouse/client'
    ${flow}
    console.log(await flow(client, ...process.argv.slice(2)))`,
  'program.cjs': `${flow}
    flow(require('@gatehouse/client'), ...process.argv.slice(2)).then(console.log)`,
  'worker.js': `import * as client from '@gatehouse/client'
    ${flow}
    export default {
      async fetch(request) {
        const { searchParams } = new URL(request.url)
        if (!searchParams.has('url')) return new Response('ready')
        return new Response(await flow(client, searchParams.get('url'), searchParams.get('email')))
      },
    }`,
}

/** What a command of the project prints, or what a worker answers. */
type Runtime = (dir: string, url: string, email: string, t: Test) => Promise<string>

const printing =
  (command: string, ...args: string[]): Runtime =>
  async (dir, url, email) =>
    (await run(command, [...args, url, email], { cwd: dir, timeout: 60_000 })).stdout.trim()

const all: Record<string, Runtime> = {
  node: printing(process.execPath, 'program.js'),
  'node, by require': printing(process.execPath, 'program.cjs'),
  deno: printing('node_modules/.bin/deno', 'run', '--allow-net', '--allow-read', 'program.js'),
  bun: printing('node_modules/.bin/bun', 'program.js'),
  workerd: runWorker,
}

async function runWorker(dir: string, url: string, email: string, t: Test): Promise<string> {
  const [entry, outfile] = [join(dir, 'worker.js'), join(dir, 'bundle.js')]
  await build({ entryPoints: [entry], outfile, bundle: true, format: 'esm' })
  const port = String(await freePort())
  await writeFile(
    join(dir, 'config.capnp'),
    `using Workerd = import "/workerd/workerd.capnp";
    const config :Workerd.Config = (
      services = [
        (name = "main", worker = (
          modules = [(name = "bundle.js", esModule = embed "bundle.js")],
          compatibilityDate = "2025-01-01", globalOutbound = "local")),
        (name = "local", network = (allow = ["public", "private", "local"])),
      ],
      sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
    );`,
  )
  const worker = spawn('node_modules/.bin/workerd', ['serve', 'config.capnp'], { cwd: dir })
  t.teardown(() => worker.kill())
  const address = `http://127.0.0.1:${port}`
  const answers = () =>
    fetch(address).then(
      ({ ok }) => ok,
      () => false,
    )
  await until(answers, 'the worker to start')
  const query = new URLSearchParams({ url, email })
  return (await fetch(`${address}/?${query.toString()}`)).text()
}

t.test('the packed client works in each runtime', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'gatehouse-runtimes-'))
  t.teardown(() => rm(dir, { recursive: true }))
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text)
  await run('npm', ['pack', '-w', 'packages/client', '--pack-destination', dir], { cwd: root })
  const packages = ['./gatehouse-client-0.1.0.tgz', ...runtimes]
  await run('npm', ['install', '--no-audit', '--no-fund', ...packages], { cwd: dir })

  const { origin } = await listeningApp(t)
  const names = runtimes.map((name) => name.replace(/(?<=.)@.*/, ''))
  for (const [index, name] of ['node', 'node, by require', ...names].entries()) {
    const work = all[name]
    if (!work) throw new Error(`RUNTIMES has ${name}`)
    t.equal(await work(dir, origin, `ada${String(index)}@example.org`, t), expected, name)
  }
})
