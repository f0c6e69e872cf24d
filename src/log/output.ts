import { constants, fstatSync, openSync, writeSync } from 'node:fs'

type Options = {
  /** Writes some of the bytes and returns how many, as fs.writeSync(). */
  write?: (fd: number, bytes: Buffer) => number
  now?: () => Date
}

/** How many characters may wait for a reader that is slow. */
const capacity = 1_048_576
// In milliseconds.
const retryEvery = 50
const patienceAtExit = 500

/**
 * A destination for log lines that never throws, and never waits for a reader. While it cannot write
 * (closed pipe, closed terminal, full disk) it drops lines. The next line that it can write follows one
 * that says how many were lost. Lines stay whole.
 */
export function createLogOutput(fd: number, options: Options = {}) {
  const { write = writeSync, now = () => new Date() } = options
  const to = openNonBlocking(fd)
  const queue: string[] = []
  let size = 0
  let torn: Buffer | undefined
  let lost = 0
  let reason: string | undefined
  let timer: NodeJS.Timeout | undefined

  process.on('exit', () => {
    const end = performance.now() + patienceAtExit
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

  /** Whether there is nothing to wait for: all is written, or lost. */
  function flush(): boolean {
    while (torn !== undefined || queue.length > 0) {
      const bytes = torn ?? Buffer.from(notice() + (queue[0] ?? ''))
      try {
        const rest = bytes.subarray(write(to, bytes))
        if (torn === undefined) taken()
        torn = rest.length > 0 ? rest : undefined
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

  function taken(): void {
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

/** A pipe or terminal opened once more, because its other users may rely on waiting (Linux). */
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
