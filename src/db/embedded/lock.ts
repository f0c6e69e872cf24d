import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { link, readFile, rm, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * A process id, with the time the process started where the system tells, since ids come again.
 * `undefined` when it has ended, even if its parent has not taken note (a zombie).
 */
export function identify(pid: number): string | undefined {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return undefined
  }
  const line = readProc(pid, 'stat')
  // From field 3 of proc(5) on; the name before it, in parentheses, may hold spaces.
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : `${pid}-${fields[19] ?? ''}`
}

/** Whether the process that identify() named is still there. */
export function isRunning(identity: string): boolean {
  const pid = Number.parseInt(identity, 10)
  return pid > 0 && identify(pid) === identity
}

/** A file of /proc about a process, empty on systems that have none. */
export function readProc(pid: number, file: 'stat' | 'cmdline'): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}

/**
 * Runs `work` while no other process of this machine does; a lock whose holder died is taken over.
 * @throws Error when it is not free within `patience` milliseconds
 */
export async function withLock<Result>(
  path: string,
  patience: number,
  work: () => Promise<Result>,
): Promise<Result> {
  const end = Date.now() + patience
  while (!(await tryAcquire(path))) {
    if (Date.now() > end) throw new Error(`${path} is held by process ${await readHolder(path)}`)
    await removeStale(path)
    await sleep(25)
  }
  try {
    return await work()
  } finally {
    await rm(path, { force: true })
  }
}

async function tryAcquire(path: string): Promise<boolean> {
  const draft = `${path}.${randomUUID()}`
  try {
    await writeFile(draft, identify(process.pid) ?? '')
    await link(draft, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    await rm(draft, { force: true })
  }
}

/**
 * Only who holds a marker with the name of the dead holder removes its lock. Otherwise the second
 * of two that found it dead would remove the lock that the first has taken by then.
 */
async function removeStale(path: string): Promise<void> {
  const holder = await readHolder(path)
  if (holder === '' || isRunning(holder)) return
  const marker = `${path}.${holder}`
  if (!(await tryAcquire(marker))) return removeStale(marker)
  if ((await readHolder(path)) === holder) await rm(path)
  await rm(marker)
}

const readHolder = (path: string) => readFile(path, 'utf8').catch(() => '')
