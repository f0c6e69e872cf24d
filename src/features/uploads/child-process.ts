import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { kinds, readFrames, writeFrame, type Kind } from './frames.js'
import { root } from '../../config/root.js'
import { reservedForCode, usageOf } from './process-usage.js'

/** The limits for one file: CPU time and wall-clock time in milliseconds, memory in bytes. */
export type Costs = { cpu: number; wall: number; memory: number }

/** Why a child process ended before it answered. */
export type Ending = 'cpu' | 'memory' | 'wall' | 'crashed' | 'killed' | 'not started'

export class ChildEnded extends Error {
  readonly ending: Ending
  constructor(ending: Ending, detail = '') {
    super(`the child process ended: ${ending}${detail && ` (${detail})`}`)
    this.ending = ending
  }
}

export type Frame = { kind: number; payload: Buffer }

const maxAnswer = 4 * 1_048_576
/** The milliseconds between two checks of the usage. */
const checkInterval = 50
/**
 * The CPU time of a child over all its files, in seconds. The service replaces the child at the first limit.
 * The kernel ends it at the second, in case the service itself has ended.
 */
const lifetimeCpu = { replacedAfter: 20, max: 30 }

/**
 * Starts a process that converts one file at a time. `run` throws ChildEnded. Discard the child after that,
 * and when `isWorn` returns true.
 * @throws ChildEnded if the system cannot start a process
 */
export function startChild({ cpu, wall, memory }: Costs) {
  const child = spawnLimited(memory)
  let settle: { resolve: (frame: Frame) => void; reject: (error: Error) => void } | undefined
  let ended: ChildEnded | undefined

  function end(error: ChildEnded): void {
    ended ??= error
    child.kill('SIGKILL')
    settle?.reject(ended)
    settle = undefined
  }

  function receive(): Promise<Frame> {
    return new Promise((resolve, reject) => {
      if (ended) reject(ended)
      else settle = { resolve, reject }
    })
  }

  readFrames(child.stdout, {
    maxLength: maxAnswer,
    onFrame: (kind, payload) => {
      settle?.resolve({ kind, payload })
      settle = undefined
    },
    onTooLong: () => end(new ChildEnded('crashed', 'the answer is too long')),
  })
  child.on('error', ({ message }) => end(new ChildEnded('not started', message)))
  child.on('exit', (code, signal) => {
    // If this service had sent the SIGKILL, end() would have recorded the reason already. Another sender,
    // such as the kernel, did.
    end(new ChildEnded(signal === 'SIGKILL' ? 'killed' : 'crashed', String(code ?? signal)))
  })
  child.stdin.on('error', () => undefined) // the exit event follows, and is handled

  const usage = () => (child.pid === undefined ? undefined : usageOf(child.pid))

  /** Ends the child when it uses more than the budget, counted from now. @returns a function that lifts the limit */
  function limit(budget: Costs): () => void {
    const began = performance.now()
    const before = usage()?.cpu ?? 0
    const timer = setInterval(() => {
      const now = usage()
      if (now && (now.cpu - before) * 1_000 > budget.cpu) end(new ChildEnded('cpu'))
      else if (now && now.memory > budget.memory) end(new ChildEnded('memory'))
      else if (performance.now() - began > budget.wall) end(new ChildEnded('wall'))
    }, checkInterval)
    return () => clearInterval(timer)
  }

  /** @throws ChildEnded `not started` */
  async function start(): Promise<void> {
    const stop = limit({ cpu: Infinity, wall, memory })
    try {
      const { kind } = await receive()
      if (kind !== kinds.ready) throw new ChildEnded('crashed', 'the first frame was not "ready"')
    } catch (error) {
      throw new ChildEnded('not started', error instanceof Error ? error.message : '')
    } finally {
      stop()
    }
  }
  const started = start()
  started.catch(() => undefined) // run() reports the error

  return {
    pid: child.pid,

    async run(kind: Kind, bytes: Buffer): Promise<Frame> {
      const began = performance.now()
      await started
      const stop = limit({ cpu, wall: wall - (performance.now() - began), memory })
      const answer = receive()
      if (!ended) writeFrame(child.stdin, kind, bytes)
      try {
        return await answer
      } finally {
        stop()
      }
    },

    isWorn: () => ended !== undefined || (usage()?.cpu ?? 0) > lifetimeCpu.replacedAfter,

    stop: () => end(new ChildEnded('killed', 'by the service')),
  }
}

export type Child = ReturnType<typeof startChild>

// The sources need a loader, so tests and `npm run dev` start the built child too.
const entry = fileURLToPath(new URL('dist/features/uploads/child/main.js', root))

/** The whole environment of the child. The service's own environment contains secrets. */
const environment = {
  MALLOC_ARENA_MAX: '1', // otherwise each thread reserves memory
  // Otherwise glibc raises it with each large block, and then keeps what is freed.
  MALLOC_MMAP_THRESHOLD_: '131072',
  UV_THREADPOOL_SIZE: '2',
  VIPS_BLOCK_UNTRUSTED: '1',
  VIPS_DISC_THRESHOLD: '1g', // otherwise libvips would write large pictures to disk, past the memory limit
}

const options = [
  '--max-old-space-size=96',
  '--max-semi-space-size=1',
  '--v8-pool-size=1',
  '--expose-gc', // child/main.ts frees each file at once
]

type Spawned = ChildProcessByStdio<Writable, Readable, null>

/**
 * Starts Node with a small heap and its own environment. If the system has a shell, the kernel limits all
 * memory of the process, because a limit on the heap does not apply to the decoders.
 */
function spawnLimited(memory: number): Spawned {
  const node = [process.execPath, ...options, entry] as const
  const reserved = existsSync('/bin/sh') ? reservedForCode() : undefined
  const [command, ...args] =
    reserved === undefined
      ? node
      : (['/bin/sh', '-c', limits((memory + reserved) >> 10), 'sh', ...node] as const)
  try {
    const child = spawn(command, args, { env: environment, stdio: ['pipe', 'pipe', 'ignore'] })
    // When no file descriptor is free, Node creates no pipes, and reports the error by an event.
    if ((child.stdout as Readable | undefined) === undefined) throw new Error('no pipes')
    return child
  } catch (cause) {
    throw new ChildEnded('not started', cause instanceof Error ? cause.message : '')
  }
}

/**
 * POSIX specifies only `ulimit -f`, but dash, bash and busybox support these options. If one fails, the child
 * runs without that limit. The first line closes the file descriptors that a supervisor passed to the service.
 */
const limits = (kilobytes: number) =>
  `exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
ulimit -c 0; ulimit -t ${lifetimeCpu.max}; ulimit -d ${kilobytes}; exec "$@"`
