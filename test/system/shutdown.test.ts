import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { forTests, keysSecret } from '../support/app.js'
import { testDatabase } from '../support/database.js'
import { isRunning as isProcess } from '../support/process.js'
import { entry, freePort, spawnServer, untilReady } from '../support/server-process.js'
import { until } from '../support/until.js'

const node = process.execPath

/** The server in a terminal of its own, which `close` takes away as a window that is closed does. */
async function inTerminal(t: Test, command: string, env: Record<string, string>) {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-terminal-'))
  chmodSync(folder, 0o711)
  const port = String(await freePort())
  const pidFile = join(folder, 'pid')
  const terminal = spawn('script', ['-qfc', command.replace('PID', pidFile), '/dev/null'], {
    cwd: folder,
    env: { PATH: process.env.PATH, SHELL: '/bin/sh', KEYS_SECRET: keysSecret, PORT: port, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let output = ''
  terminal.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const pidOf = (file: string) => (existsSync(file) ? parseInt(readFileSync(file, 'utf8')) : 0)
  const server = () => pidOf(pidFile)
  const isRunning = () => server() > 0 && isProcess(server())
  t.teardown(async () => {
    terminal.kill('SIGKILL')
    if (isRunning()) process.kill(server(), 'SIGKILL')
    await rm(folder, { recursive: true, force: true })
  })
  const origin = `http://127.0.0.1:${port}`
  await untilReady({ origin, child: terminal, output: () => output, exited: Promise.resolve(0) })
  return {
    origin,
    isRunning,
    output: () => output,
    signal: (name: NodeJS.Signals) => process.kill(server(), name),
    database: () => pidOf(join(folder, '.gatehouse', 'postgres', 'postmaster.pid')),
    async close() {
      terminal.kill('SIGKILL')
      await once(terminal, 'exit')
    },
  }
}

const quick = { ...forTests, SHUTDOWN_DELAY: '0s' }

t.test('closing the terminal stops the service, and its database', async (t) => {
  const start = `echo $$ >PID; exec ${node} ${entry}`
  const service = await inTerminal(t, start, quick)
  t.match(service.output(), /Gatehouse \S+ is ready: http/)
  const database = service.database()
  t.ok(isProcess(database))
  await service.close()
  await until(() => !service.isRunning(), 'the end of the service')
  await until(() => !isProcess(database), 'the end of its database')
})

t.test(
  'where the terminal goes without a signal, the service goes on, and still stops',
  async (t) => {
    const start = `setsid sh -c 'echo $$ >PID; exec ${node} ${entry}' & wait`
    const service = await inTerminal(t, start, { ...quick, DATABASE_URL: await testDatabase(t) })
    await service.close()
    for (let count = 0; count < 3; count += 1) {
      t.equal((await fetch(`${service.origin}/nowhere`)).status, 404)
    }
    service.signal('SIGTERM')
    await until(() => !service.isRunning(), 'the end of the service')
  },
)

t.test('with its log a full device or a closed pipe, the service serves, and stops', async (t) => {
  const env = { ...quick, DATABASE_URL: await testDatabase(t) }
  const full = openSync('/dev/full', 'w')
  const servers = [await spawnServer(t, env, ['ignore', full, full]), await spawnServer(t, env)]
  closeSync(full)
  for (const server of servers) {
    await untilReady(server)
    server.child.stdout?.destroy()
    server.child.stderr?.destroy()
    for (let count = 0; count < 3; count += 1) {
      t.equal((await fetch(`${server.origin}/nowhere`)).status, 404)
    }
    server.child.kill('SIGTERM')
    t.equal(await server.exited, 0)
  }
})

t.test('a reader that stops reading holds nothing up', async (t) => {
  const env = { ...quick, DATABASE_URL: await testDatabase(t), LOG_LEVEL: 'debug' }
  const service = await inTerminal(t, `${node} ${entry} | (echo $$; sleep 600)`, env)
  for (let count = 0; count < 300; count += 1) await fetch(`${service.origin}/nowhere`)
  t.equal((await fetch(`${service.origin}/health/live`)).status, 200)
})

t.test('an error that nothing caught is logged, and ends the process with 1', async (t) => {
  const mark = join(await mkdtemp(join(tmpdir(), 'gatehouse-')), 'mark')
  t.teardown(() => rm(dirname(mark), { recursive: true, force: true }))
  const script = `import { existsSync } from 'node:fs'
    const fault = () => { if (existsSync('${mark}')) throw new Error('a fault of a test') }
    setInterval(fault, 20).unref()`
  const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(script)}`
  const DATABASE_URL = await testDatabase(t)
  const server = await spawnServer(t, { ...quick, DATABASE_URL, NODE_OPTIONS })
  await untilReady(server)
  await writeFile(mark, '')
  t.equal(await server.exited, 1)
  t.match(server.output(), /"level":"fatal".*a fault of a test/)
})

t.test('an orderly stop ends with a line that says so', async (t) => {
  const server = await spawnServer(t, { DATABASE_URL: await testDatabase(t), ...quick })
  await untilReady(server)
  server.child.kill('SIGTERM')
  t.equal(await server.exited, 0)
  const messages = server
    .output()
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { msg: string }).msg)
  t.same(messages.slice(-2), ['stopping', 'stopped'])
})
