import { constants, fstatSync, openSync, writeSync } from 'node:fs'

type Options = {
  /** Writes some of the bytes and returns how many, like fs.writeSync(). */
  write?: (fd: number, bytes: Buffer) => number
  now?: () => Date
}

/** How many characters may wait for a slow reader. */
const capacity = 1_048_576
/** In milliseconds. */
const retryEvery = 50
/** How long the process waits at its exit for a slow reader, in milliseconds. */
const exitTimeout = 500

/**
 * A destination for log lines that never throws and never blocks on a slow reader. It drops lines while
 * it cannot write (closed pipe, closed terminal, full disk). The first line after that reports how many
 * lines were lost. No line is ever written in part.
 */
export function createLogOutput(fd: number, options: Options = {}) {
  const { write = writeSync, now = () => new Date() } = options
  const to = openNonBlocking(fd)
  const queue: string[] = []
  let size = 0
  let partial: Buffer | undefined
  let lost = 0
  let reason: string | undefined
  let timer: NodeJS.Timeout | undefined

  process.on('exit', () => {
    const end = performance.now() + exitTimeout
    while (!flush() && performance.now() < end) pause(10)
  })

  return {
    write(line: string): void {
      if (size + line.length > capacity) {
        lost += 1
        return
      }
      queue.push(line)
      size += line.length
      if (!flush()) timer ??= setTimeout(retry, retryEvery).unref()
    },
  }

  function retry(): void {
    timer = undefined
    if (!flush()) timer = setTimeout(retry, retryEvery).unref()
  }

  /** Returns false while lines still wait for the reader. */
  function flush(): boolean {
    while (partial !== undefined || queue.length > 0) {
      const bytes = partial ?? Buffer.from(notice() + (queue[0] ?? ''))
      try {
        const rest = bytes.subarray(write(to, bytes))
        if (partial === undefined) lineStarted()
        partial = rest.length > 0 ? rest : undefined
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        if (code === 'EAGAIN') return false
        reason = code
        lost += queue.length
        queue.length = size = 0
        return true
      }
    }
    return true
  }

  function lineStarted(): void {
    size -= queue.shift()?.length ?? 0
    lost = 0
    reason = undefined
  }

  function notice(): string {
    if (lost === 0) return ''
    const line = { level: 'warn', time: now().toISOString(), count: lost, code: reason }
    return `${JSON.stringify({ ...line, msg: 'log lines were lost' })}\n`
  }
}

/**
 * Opens a pipe or terminal a second time, without blocking (Linux). Making `fd` itself non-blocking would
 * change it for other processes that share it.
 */
function openNonBlocking(fd: number): number {
  try {
    const stats = fstatSync(fd)
    if (!stats.isFIFO() && !stats.isCharacterDevice()) return fd
    const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants
    return openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY)
  } catch {
    return fd
  }
}

function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
