import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { FastifyBaseLogger } from 'fastify'
import { root } from '../../config/root.js'
import { AppError } from '../../errors.js'
import type { HashParameters } from './argon2.js'
import type { SlowRecipe } from './child/derive.js'

export type Work =
  | { kind: 'hash'; password: string; parameters: HashParameters }
  | { kind: 'match'; password: string; hash: string }
  | { kind: 'derive'; password: string; recipe: SlowRecipe }
  | { kind: 'describe' }
export type Job = { id: number; work: Work }
export type Answer = { id: number } & ({ result: unknown } | { fault: string })
/** `priority`: from 0, as important as the service, to 19. */
export type Description = { library: string; priority: number }

type Options = {
  /** How many passwords are hashed at the same time. */
  threads: number
  log: Pick<FastifyBaseLogger, 'warn'>
  /** How long the child process waits for the next password, in milliseconds. */
  idle?: number
  /** How long a password may take, in milliseconds. Less than the deadline of a request. */
  limit?: number
  /** A child process that fails is replaced at most this often, in milliseconds. */
  pause?: number
  /** The program of the child process. */
  entry?: string
}

type Waiting = { resolve: (result: unknown) => void; reject: (error: Error) => void }

// The sources need a loader, so tests and `npm run dev` start the built child too.
const built = fileURLToPath(new URL('dist/features/passwords/child/main.js', root))

/**
 * Hashes passwords in a child process. Its priority is lower than the service's, so that a flood of logins leaves
 * the CPU to other requests. It starts with the first password, and ends when idle, which gives all of its memory
 * back. The methods throw AppError `unavailable` if the process cannot start, ends, or takes too long.
 */
export function createHashing(options: Options) {
  const { threads, log, idle = 10_000, limit = 8_000, pause = 1_000, entry = built } = options
  let running: ReturnType<typeof start> | undefined
  let mayStartAt = 0
  let lastId = 0

  function start() {
    const startedAt = performance.now()
    const waiting = new Map<number, Waiting>()
    let timer: NodeJS.Timeout | undefined
    let complaint = ''
    const child = forkChild(entry, threads)
    // It must not keep the service from ending, and ends with it.
    child.unref()
    child.channel?.unref()
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(-1_000)
    })

    function stop(): void {
      if (running?.child === child) running = undefined
      clearTimeout(timer)
      child.kill('SIGKILL')
    }

    function fail(reason: string): void {
      if (running?.child !== child) return
      stop()
      mayStartAt = startedAt + pause
      const why = complaint === '' ? {} : { stderr: complaint }
      log.warn({ reason, unanswered: waiting.size, ...why }, 'hashing process ended')
      for (const { reject } of waiting.values()) reject(unavailable(reason))
    }

    child.on('message', (answer: Answer) => {
      const job = waiting.get(answer.id)
      waiting.delete(answer.id)
      if ('result' in answer) job?.resolve(answer.result)
      else {
        log.warn({ reason: answer.fault }, 'password could not be hashed')
        job?.reject(unavailable(answer.fault))
      }
      if (waiting.size === 0) timer = setTimeout(stop, idle).unref()
    })
    child.on('error', ({ message }) => fail(message))
    // Wait for stderr, which may arrive after `exit`.
    child.on('close', (code, signal) => fail(String(signal ?? code)))

    async function run(work: Work): Promise<unknown> {
      clearTimeout(timer)
      lastId += 1
      const id = lastId
      const late = setTimeout(() => fail('it took too long'), limit)
      try {
        return await new Promise((resolve, reject) => {
          waiting.set(id, { resolve, reject })
          child.send({ id, work } satisfies Job, (error) => error && fail(error.message))
        })
      } finally {
        clearTimeout(late)
      }
    }

    return { child, run }
  }

  function begin() {
    try {
      return start()
    } catch (error) {
      const reason = error instanceof Error ? error.message : ''
      mayStartAt = performance.now() + pause
      log.warn({ reason, unanswered: 1 }, 'hashing process ended')
      throw unavailable(reason)
    }
  }

  async function run(work: Work): Promise<unknown> {
    if (!running && performance.now() < mayStartAt) throw unavailable('it ended a moment ago')
    return (running ??= begin()).run(work)
  }

  return {
    /** Returns a PHC string, which contains the salt and the parameters. */
    hash: (password: string, parameters: HashParameters) =>
      run({ kind: 'hash', password, parameters }) as Promise<string>,
    /** Null if the hash is malformed. */
    matches: (hash: string, password: string) =>
      run({ kind: 'match', hash, password }) as Promise<boolean | null>,
    /** Makes the digest of another system. */
    derive: (recipe: SlowRecipe, password: string) =>
      run({ kind: 'derive', recipe, password }) as Promise<Buffer>,
    describe: () => run({ kind: 'describe' }) as Promise<Description>,
    /** The id of the child process, if it runs. */
    pid: () => running?.child.pid,
  }
}

export type Hashing = ReturnType<typeof createHashing>

const unavailable = (reason: string) =>
  new AppError('unavailable', { cause: new Error(`the hashing process: ${reason}`) })

/**
 * In a group of its own, which the signals of a terminal do not reach.
 * @throws Error if the system has no room for it
 */
function forkChild(entry: string, threads: number): ChildProcess {
  const child = fork(entry, [], {
    execArgv: ['--max-old-space-size=32', '--v8-pool-size=1'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    // JSON has no bytes.
    serialization: 'advanced',
    env: environmentFor(threads),
    detached: true,
  })
  // When no file descriptor is free, Node creates no channel, and reports the error by an event.
  if ((child.send as unknown) === undefined) {
    child.on('error', () => undefined)
    throw new Error('no channel')
  }
  return child
}

/**
 * The whole environment of the child process: the service's own contains secrets. glibc would give each thread a
 * heap, and ask the kernel for the 19 MiB of each hash again. One heap that keeps them takes less of both.
 */
const environmentFor = (threads: number) => ({
  UV_THREADPOOL_SIZE: String(threads),
  MALLOC_ARENA_MAX: '1',
  MALLOC_MMAP_THRESHOLD_: '33554432',
  MALLOC_TRIM_THRESHOLD_: '50331648',
})
