import { randomUUID } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { identify, isRunning } from './lock.js'

/**
 * Who uses the cluster: a file each. The last to leave stops its server, whoever started that, so
 * that one may go without taking the database from under another. Synchronous, because the `exit`
 * event waits for nothing.
 */
export function createTenancy(dataDir: string) {
  const tenants = join(dataDir, 'tenants')
  const serverFile = join(dataDir, 'postgres.process')
  const name = `${identify(process.pid) ?? ''}.${randomUUID()}`
  let stopping: Promise<void> | undefined
  mkdirSync(tenants, { recursive: true })
  writeFileSync(join(tenants, name), '')
  // No way out of this process but SIGKILL leaves PostgreSQL behind, and the next start adopts that.
  process.on('exit', leave)

  function hasOthers(): boolean {
    const others = readdirSync(tenants).filter((other) => other !== name)
    const gone = others.filter((other) => !isRunning(other.replace(/\..*/, '')))
    for (const other of gone) rmSync(join(tenants, other), { force: true })
    return gone.length < others.length
  }

  /** Returns the server that this has told to stop, if this was the last. */
  function leave(): string | undefined {
    process.off('exit', leave)
    rmSync(join(tenants, name), { force: true })
    if (hasOthers()) return undefined
    const server = readOptional(serverFile)
    signal(server, 'SIGINT')
    return server
  }

  return {
    hasOthers,
    leave,
    /** From now on the process with this id is the server to stop. */
    watch: (pid: number) => writeFileSync(serverFile, identify(pid) ?? ''),
    /** Leaves, and waits until the server has ended if this was the last. */
    stop: () => (stopping ??= endOf(leave())),
  }
}

async function endOf(server = ''): Promise<void> {
  if (await hasEnded(server, 10_000)) return
  signal(server, 'SIGQUIT')
  await hasEnded(server, 5_000)
}

/** SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one. */
function signal(server: string, name: 'SIGINT' | 'SIGQUIT'): void {
  if (isRunning(server)) process.kill(Number.parseInt(server, 10), name)
}

async function hasEnded(server: string, patience: number): Promise<boolean> {
  const end = Date.now() + patience
  while (isRunning(server) && Date.now() < end) await sleep(20)
  return !isRunning(server)
}

function readOptional(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
