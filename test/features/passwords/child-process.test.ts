import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { getPriority, tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createHashing } from '../../../src/features/passwords/child-process.js'
import { isRunning } from '../../support/process.js'
import { until } from '../../support/until.js'

const cheap = { memory: 64, iterations: 1, parallelism: 1 }
const bcrypt = {
  kind: 'bcrypt',
  cost: 10,
  salt: 'abcdefghijklmnopqrstuu',
  before: 'none',
} as const
const scrypt = {
  kind: 'scrypt',
  ln: 15,
  r: 8,
  p: 1,
  length: 64,
  salt: Buffer.from('abcdefgh'),
  nfkc: false,
} as const
const slow = { memory: 262_144, iterations: 10, parallelism: 1 }

type Options = Partial<Parameters<typeof createHashing>[0]>

function hashingFor(t: Test, options: Options = {}) {
  const lines: object[] = []
  const log = { warn: (line: object) => void lines.push(line) }
  const hashing = createHashing({ threads: 2, log, ...options })
  const kill = (signal: NodeJS.Signals = 'SIGKILL') => {
    const pid = hashing.pid()
    if (pid !== undefined) process.kill(pid, signal)
  }
  t.teardown(() => kill())
  return { hashing, lines, kill }
}

/** A program in place of the child's own. */
function program(t: Test, source: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-child-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'child.mjs')
  writeFileSync(path, source)
  return path
}

t.test('hashes and verifies, many at once', async (t) => {
  const { hashing } = hashingFor(t)
  const passwords = Array.from({ length: 20 }, (_, nth) => `password ${nth}`)
  const hashes = await Promise.all(passwords.map((each) => hashing.hash(each, cheap)))
  const matches = await Promise.all(
    hashes.map((hash, nth) => hashing.matches(hash, `password ${nth & ~1}`)),
  )
  t.strictSame(
    matches,
    passwords.map((_, nth) => nth % 2 === 0),
  )
})

t.test('starts with the first password, below the service, without its environment', async (t) => {
  process.env.KEYS_SECRET = 'a secret of the service'
  t.teardown(() => delete process.env.KEYS_SECRET)
  const { hashing } = hashingFor(t)
  t.equal(hashing.pid(), undefined)
  const { library, priority } = await hashing.describe()
  const pid = hashing.pid() ?? 0
  t.equal(library, '@node-rs/argon2')
  t.equal(getPriority(pid), priority)
  t.ok(priority > getPriority(), `${priority}`)
  t.notMatch(readFileSync(`/proc/${pid}/environ`, 'latin1'), 'a secret')
})

t.test('every thread of it is below the service, whatever it hashes', async (t) => {
  const { hashing } = hashingFor(t)
  await Promise.all([
    hashing.derive(bcrypt, 'a'),
    hashing.derive(scrypt, 'a'),
    hashing.derive({ ...scrypt, kind: 'pbkdf2', iterations: 1_000, algorithm: 'sha1' }, 'a'),
    hashing.hash('a', cheap),
  ])
  const pid = hashing.pid() ?? 0
  const threads = readdirSync(`/proc/${pid}/task`).map(Number)
  t.ok(threads.length > 3, `${threads.length} threads`)
  for (const thread of threads) t.ok(getPriority(thread) > getPriority(), `${thread}`)
})

t.test('a hash in JavaScript does not hold up the others', async (t) => {
  const { hashing } = hashingFor(t)
  await hashing.derive({ ...bcrypt, cost: 4 }, 'a')
  let ended = false
  const long = hashing.derive({ ...bcrypt, cost: 13 }, 'a').then(() => (ended = true))
  await hashing.hash('a', cheap)
  t.notOk(ended)
  await long
})

t.test('ends when idle, and starts again', async (t) => {
  const { hashing, lines } = hashingFor(t, { idle: 50 })
  await hashing.hash('a', cheap)
  const pid = hashing.pid() ?? 0
  await until(() => hashing.pid() === undefined && !isRunning(pid), 'the process to end')
  t.match(await hashing.hash('a', cheap), /^\$argon2id/)
  t.not(hashing.pid(), pid)
  t.strictSame(lines, [], 'which is nothing to warn of')
})

t.test(
  'what is being hashed when the process ends is unavailable, and the rest goes on',
  async (t) => {
    const { hashing, lines, kill } = hashingFor(t, { pause: 0 })
    await hashing.describe()
    const lost = [
      hashing.hash('a', slow),
      hashing.matches('$argon2id$', 'b'),
      hashing.hash('c', slow),
      hashing.derive({ ...bcrypt, cost: 14 }, 'd'),
    ]
    const outcomes = Promise.allSettled(lost)
    kill()
    for (const outcome of await outcomes) {
      if (outcome.status === 'rejected') t.match(outcome.reason, { code: 'unavailable' })
    }
    t.match(lines, [{ reason: 'SIGKILL' }])
    t.match(await hashing.hash('a', cheap), /^\$argon2id/)
  },
)

t.test('a program that ends at once is not started again at once', async (t) => {
  const path = program(t, `console.error('no library'); process.exit(3)`)
  const { hashing, lines } = hashingFor(t, { entry: path, pause: 600_000 })
  for (let nth = 0; nth < 20; nth += 1) {
    await t.rejects(hashing.hash('a', cheap), { code: 'unavailable' })
  }
  t.strictSame(lines, [{ reason: '3', unanswered: 1, stderr: 'no library\n' }])
})

t.test('a process that does not answer is ended', async (t) => {
  const path = program(t, `process.on('message', () => {}); setInterval(() => {}, 1000)`)
  const { hashing, lines } = hashingFor(t, { entry: path, limit: 300 })
  const asked = hashing.hash('a', cheap)
  const pid = hashing.pid() ?? 0
  await t.rejects(asked, { code: 'unavailable' })
  await until(() => !isRunning(pid), 'the process to end')
  t.match(lines, [{ reason: 'it took too long' }])
})

t.test('a password for which there is no memory is unavailable, and not wrong', async (t) => {
  const path = program(
    t,
    `process.on('message', ({ id }) => process.send({ id, fault: 'Memory allocation error' }))`,
  )
  const { hashing } = hashingFor(t, { entry: path })
  await t.rejects(hashing.matches('$argon2id$', 'a'), { code: 'unavailable' })
})

t.test('no signal that ends the service in order loses a password', async (t) => {
  const { hashing, kill } = hashingFor(t)
  await hashing.describe()
  const hashed = hashing.hash('a', { ...cheap, memory: 65_536, iterations: 3 })
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR2'] as const) kill(signal)
  t.match(await hashed, /^\$argon2id/)
})
