import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { kinds, readFrames, writeFrame, type Kind } from './frames.js'
import { reservedForCode, usageOf } from './process-usage.js'

/** Of one file: CPU time and wall clock in milliseconds, memory in bytes. */
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
const lookEvery = 50
/** In seconds over all files, for a child whose service is gone; it is replaced before. */
const cpuOfLife = { replacedAfter: 20, most: 30 }

/**
 * A process that converts one file at a time. `run` throws ChildEnded; after it, and once `isWorn`,
 * the child is of no more use. @throws ChildEnded when the system starts no process
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
    onTooLong: () => end(new ChildEnded('crashed', 'its answer is too long')),
  })
  child.on('error', ({ message }) => end(new ChildEnded('not started', message)))
  child.on('exit', (code, signal) => {
    // This SIGKILL came from outside (such as the kernel): end() records its reason before it kills.
    end(new ChildEnded(signal === 'SIGKILL' ? 'killed' : 'crashed', String(code ?? signal)))
  })
  child.stdin.on('error', () => undefined) // it ends, which is heard of as well

  const usage = () => (child.pid === undefined ? undefined : usageOf(child.pid))

  /** Ends the child once it has used too much since now; the function returned stops that. */
  function limit(budget: Costs): () => void {
    const began = performance.now()
    const before = usage()?.cpu ?? 0
    const timer = setInterval(() => {
      const now = usage()
      if (now && (now.cpu - before) * 1_000 > budget.cpu) end(new ChildEnded('cpu'))
      else if (now && now.memory > budget.memory) end(new ChildEnded('memory'))
      else if (performance.now() - began > budget.wall) end(new ChildEnded('wall'))
    }, lookEvery)
    return () => clearInterval(timer)
  }

  /** @throws ChildEnded `not started` */
  async function start(): Promise<void> {
    const stop = limit({ cpu: Infinity, wall, memory })
    try {
      const { kind } = await receive()
      if (kind !== kinds.ready) throw new ChildEnded('crashed', 'it said something else first')
    } catch (error) {
      throw new ChildEnded('not started', error instanceof Error ? error.message : '')
    } finally {
      stop()
    }
  }
  const started = start()
  started.catch(() => undefined) // run() throws it

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

    isWorn: () => ended !== undefined || (usage()?.cpu ?? 0) > cpuOfLife.replacedAfter,

    stop: () => end(new ChildEnded('killed', 'by the service')),
  }
}

export type Child = ReturnType<typeof startChild>

// The tests run the sources, which only a loader understands: their child is the one that was built.
const built = import.meta.url.replace('/src/features/', '/dist/features/')
const entry = fileURLToPath(new URL('./child/main.js', built))

/** All that the child has: nothing of the service's own environment, which holds secrets. */
const environment = {
  MALLOC_ARENA_MAX: '1', // otherwise each thread has a reserve of its own
  UV_THREADPOOL_SIZE: '2',
  VIPS_BLOCK_UNTRUSTED: '1',
  VIPS_DISC_THRESHOLD: '1g', // no file for what the limit refuses as memory
}

type Spawned = ChildProcessByStdio<Writable, Readable, null>

/**
 * Node with the entry of the child: a small heap, none of the service's environment, and, where there
 * is a shell, the kernel's limits on all that it allocates (a limit on the heap binds no decoder).
 */
function spawnLimited(memory: number): Spawned {
  const node = [process.execPath, '--max-old-space-size=96', '--v8-pool-size=1', entry] as const
  const reserved = existsSync('/bin/sh') ? reservedForCode() : undefined
  const [command, ...args] =
    reserved === undefined
      ? node
      : (['/bin/sh', '-c', limits((memory + reserved) >> 10), 'sh', ...node] as const)
  try {
    const child = spawn(command, args, { env: environment, stdio: ['pipe', 'pipe', 'ignore'] })
    // Without file descriptors there are no pipes, and the error comes as an event.
    if ((child.stdout as Readable | undefined) === undefined) throw new Error('no pipes')
    return child
  } catch (cause) {
    throw new ChildEnded('not started', cause instanceof Error ? cause.message : '')
  }
}

/**
 * POSIX has `ulimit -f` alone, but dash, bash and busybox know these; what fails is done without. The
 * descriptors are those that a supervisor handed to the service.
 */
const limits = (kilobytes: number) =>
  `exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
ulimit -c 0; ulimit -t ${cpuOfLife.most}; ulimit -d ${kilobytes}; exec "$@"`
