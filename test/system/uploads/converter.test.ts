import { pino } from 'pino'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import t, { type Test } from 'tap'
import type { Costs } from '../../../src/features/uploads/child-process.js'
import { createConverter, type Converter } from '../../../src/features/uploads/converter.js'
import { reservedForCode } from '../../../src/features/uploads/process-usage.js'
import { png, scansJpeg } from '../../support/hostile.js'
import { picture } from '../../support/pictures.js'
import { until } from '../../support/until.js'

// Times are long, since a machine may be busy; each test makes short the one that it is about.
const patient: Costs = { cpu: 60_000, wall: 60_000, memory: 400 * 1_048_576 }
const log = pino({ level: 'silent' })
const readme = Buffer.from('---\na: 1\n---\n# Ada\n')
const read = { front_matter: { a: 1 }, markdown: '# Ada\n', html: '<h1>Ada</h1>\n' }
/** It takes 0.15 s of CPU or more. */
const slow = scansJpeg(4_000, 2_000, 64)

const warmConverter = (t: Test, costs: Partial<Costs> = {}) =>
  warmed(t, createConverter({ log, costs: { ...patient, ...costs }, idle: 60_000 }))

async function warmed(t: Test, converter: Converter) {
  t.teardown(converter.close)
  await until(() => isRead(converter), 'the process to start, which a busy machine delays')
  const [pid = 0] = converter.pids()
  return { ...converter, pid }
}

const isRead = (converter: Pick<Converter, 'readReadme'>) =>
  converter.readReadme(readme).then(
    () => true,
    () => false,
  )

/** The kernel's limits: bytes of data, seconds of CPU time. */
function limitsOf(pid: number) {
  const text = readFileSync(`/proc/${pid}/limits`, 'latin1')
  const of = (name: string) => Number(new RegExp(`^Max ${name} +(\\d+)`, 'm').exec(text)?.[1])
  return { data: of('data size'), cpu: of('cpu time') }
}

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

t.test('one process does it all, begins when needed, and goes when idle', async (t) => {
  const converter = createConverter({ log, costs: patient, idle: 1_000 })
  t.teardown(converter.close)
  const bytes = await picture('png')
  t.strictSame(converter.pids(), [])
  t.strictSame(await converter.readReadme(readme), read)
  const [pid = 0] = converter.pids()
  t.ok((await converter.readPicture(bytes)).large.length > 0)
  t.strictSame(converter.pids(), [pid])
  await until(() => converter.pids().length === 0 && !isAlive(pid), 'the process to end')
  t.strictSame(await converter.readReadme(readme), read)
  t.not(converter.pids()[0], pid)
})

t.test('there are two processes at most, and what does not fit is turned away', async (t) => {
  const converter = await warmConverter(t)
  let most = 0
  const watch = setInterval(() => (most = Math.max(most, converter.pids().length)), 1)
  const all = await Promise.allSettled(
    Array.from({ length: 12 }, () => converter.readReadme(readme)),
  )
  clearInterval(watch)
  t.equal(most, 2)
  const refused = all.filter(({ status }) => status === 'rejected')
  t.equal(refused.length, 2, 'two work, and eight wait')
  t.match(refused[0], { reason: { code: 'overloaded', retryAfter: Number } })
})

t.test('there is one process where the system grants less than 256 MB', async (t) => {
  const converter = createConverter({
    log,
    costs: patient,
    idle: 60_000,
    granted: 192 * 1_048_576,
  })
  t.teardown(converter.close)
  const bytes = await picture('png')
  await Promise.all([converter.readPicture(bytes), converter.readPicture(bytes)])
  t.equal(converter.pids().length, 1)
})

t.test(
  'a file that takes too much CPU time or memory is refused, and ends its process',
  async (t) => {
    for (const [costs, bytes] of [
      [{ cpu: 50 }, slow],
      [
        { memory: 110 * 1_048_576 },
        png({ width: 4_000, height: 2_000, bits: 16, colour: 6, interlaced: true }),
      ],
    ] as const) {
      const converter = await warmConverter(t, costs)
      await t.rejects(converter.readPicture(bytes), { code: 'invalid_picture' })
      await until(() => !isAlive(converter.pid), 'the process to end').catch(() => undefined)
      // The first README of a process can take as much on a slow machine.
      await until(() => isRead(converter), 'the next one to be read')
    }
  },
)

t.test('a process that crashes refuses its file alone', async (t) => {
  const converter = await warmConverter(t)
  const crashed = converter.readPicture(slow)
  process.kill(converter.pid, 'SIGABRT')
  await t.rejects(crashed, { code: 'invalid_picture' })
  t.strictSame(await converter.readReadme(readme), read)
})

t.test('a file that nobody judged may be sent again', async (t) => {
  const converter = await warmConverter(t, { wall: 8_000 })
  process.kill(converter.pid, 'SIGSTOP')
  await t.rejects(converter.readReadme(readme), { code: 'overloaded', retryAfter: 1 })
  t.notOk(isAlive(converter.pid) && converter.pids().includes(converter.pid))
  t.strictSame(await converter.readReadme(readme), read)
  const [pid = 0] = converter.pids()
  const killed = converter.readPicture(slow)
  process.kill(pid, 'SIGKILL')
  await t.rejects(killed, { code: 'unavailable', retryAfter: 1 })
  t.strictSame(await converter.readReadme(readme), read)
})

t.test('where nothing is said a file has ten seconds, and a process 256 MB', async (t) => {
  const converter = await warmed(t, createConverter({ log, idle: 60_000 }))
  const data = limitsOf(converter.pid).data - (reservedForCode() ?? 0)
  t.ok(data > 250 * 1_048_576 && data < 300 * 1_048_576, `${data} bytes`)
  process.kill(converter.pid, 'SIGSTOP')
  const began = performance.now()
  await t.rejects(converter.readReadme(readme), { code: 'overloaded' })
  const seconds = (performance.now() - began) / 1_000
  t.ok(seconds > 9 && seconds < 20, `${seconds} s`)
})

t.test('a process that ended while it was idle is replaced', async (t) => {
  const converter = await warmConverter(t)
  process.kill(converter.pid, 'SIGKILL')
  await until(() => !isAlive(converter.pid), 'the process to end')
  t.strictSame(await converter.readReadme(readme), read)
})

t.test('the process knows no secret, holds no file of the service, and goes with it', async (t) => {
  process.env.DATABASE_URL = 'postgres://canary'
  const converter = await warmConverter(t)
  const names = readFileSync(`/proc/${converter.pid}/environ`, 'latin1')
    .split('\0')
    .map((line) => line.split('=')[0])
    // The shell's, and those that the test's runner gives to every process.
    .filter((name) => name && !/^(PWD|NODE_OPTIONS|_TAPJS_.*)$/.test(name))
  t.strictSame(names.toSorted(), [
    'MALLOC_ARENA_MAX',
    'MALLOC_MMAP_THRESHOLD_',
    'UV_THREADPOOL_SIZE',
    'VIPS_BLOCK_UNTRUSTED',
    'VIPS_DISC_THRESHOLD',
  ])
  const limits = limitsOf(converter.pid)
  t.ok(limits.data >= patient.memory, 'the kernel bounds its memory')
  t.equal(limits.cpu, 30, 'and its CPU time, for when its service is gone')
  t.match(readFileSync(`/proc/${converter.pid}/oom_score_adj`, 'latin1'), '1000')
  const own = new Set(filesOf('self'))
  t.strictSame(
    // The runner of the tests leaves pipes open to whatever a test starts.
    filesOf(converter.pid).filter((file) => own.has(file) && !file.startsWith('pipe:')),
    [],
  )
  await converter.close()
  await until(() => !isAlive(converter.pid), 'the process to end')
  await t.rejects(converter.readReadme(readme), { code: 'unavailable' })
})

/** Sockets and pipes, by what they are. */
function filesOf(pid: number | 'self'): string[] {
  const folder = `/proc/${pid}/fd`
  const links = readdirSync(folder).map((name) => {
    try {
      return readlinkSync(`${folder}/${name}`)
    } catch {
      return '' // the one that lists them
    }
  })
  return links.filter((link) => /^(socket|pipe):/.test(link))
}
