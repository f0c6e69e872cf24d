import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { instead, type Identity } from './binaries.js'
import { identify, readProc } from './lock.js'

export const user = 'gatehouse'

/** PostgreSQL is told nothing of our environment: it holds secrets, and PGOPTIONS would count. */
export const environment = { LC_ALL: 'C', TZ: 'UTC' }

export type Place = {
  dataDir: string
  /** The folder that PostgreSQL calls its data directory. */
  cluster: string
  password: string
  identity: Identity | undefined
}

export type Server = { pid: number; port: number }

type Launch = Place & { postgres: string; durable: boolean; onSpawn: (pid: number) => void }

const budget = 30_000

export function urlOf(port: number, password: string, database: string): string {
  return `postgres://${user}:${password}@127.0.0.1:${port}/${database}`
}

/**
 * The server that runs in the cluster already, once it answers; one that is just ending is waited for.
 * @throws Error when it runs but does not answer
 */
export async function findServer(place: Place): Promise<Server | undefined> {
  const end = Date.now() + budget
  for (;;) {
    const { pid, port } = await readPidFile(place)
    if (!(await isServer(pid, place))) return undefined
    if (port > 0 && (await isReady(port, place))) return { pid, port }
    if (Date.now() > end) {
      const file = join(place.cluster, 'postmaster.pid')
      throw new Error(`process ${pid}, named in ${file}, does not answer: end it, or ${instead}`)
    }
    await sleep(50)
  }
}

/** @throws Error with the end of the log when it does not answer within the budget */
export async function launchServer(launch: Launch): Promise<Server> {
  const logPath = join(launch.dataDir, 'postgres.log')
  const end = Date.now() + budget
  // Somebody else may take the port meanwhile, and the workers of one that was killed end a bit later.
  for (let tries = 0; tries < 4 && Date.now() < end; tries += 1) {
    const port = await freePort()
    const child = await spawnServer(launch, port, logPath)
    while (child.exitCode === null && child.signalCode === null && Date.now() < end) {
      const told = await readPidFile(launch)
      const isOurs = told.pid === child.pid && told.port === port && told.ready
      if (isOurs && (await isReady(port, launch))) return { pid: told.pid, port }
      await sleep(10)
    }
    await sleep(100 * tries)
  }
  const log = await readFile(logPath, 'utf8')
  const tail = log.trimEnd().split('\n').slice(-8).join('\n')
  throw new Error(`the embedded PostgreSQL does not start; the end of ${logPath}:\n${tail}`)
}

async function spawnServer(launch: Launch, port: number, logPath: string) {
  const { cluster, identity, postgres, durable, onSpawn } = launch
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', `port=${port}`]
  settings.push('max_connections=300', 'shared_buffers=32MB')
  if (!durable) settings.push('fsync=off', 'synchronous_commit=off', 'full_page_writes=off')
  const options = settings.flatMap((setting) => ['-c', setting])
  // A file, not a pipe: the log must go on when this process is no more.
  const log = await open(logPath, 'a', 0o600)
  const child = spawn(postgres, ['-D', cluster, ...options], {
    // In a process group of its own, so that Ctrl-C ends the service first and this after it.
    detached: true,
    windowsHide: true,
    cwd: cluster,
    stdio: ['ignore', log.fd, log.fd],
    env: environment,
    ...identity,
  })
  child.unref()
  if (child.pid === undefined) {
    const [cause] = (await once(child, 'error')) as [Error]
    throw new Error(`cannot run ${postgres}: ${instead}`, { cause })
  }
  onSpawn(child.pid)
  child.on('error', () => undefined)
  await log.close()
  return child
}

/** `postmaster.pid`: process id, folder, start, port, socket folder, address, memory, state. */
async function readPidFile({ cluster }: Place) {
  const text = await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => '')
  const lines = text.split('\n')
  return { pid: Number(lines[0]), port: Number(lines[3]), ready: lines[7]?.trim() === 'ready' }
}

/**
 * Whether the process in `postmaster.pid` is a PostgreSQL. The file of a dead one is PostgreSQL's own
 * to judge; but it would take any process that got the id since, after a reboot, for a live one.
 */
async function isServer(pid: number, { cluster }: Place): Promise<boolean> {
  if (!pid || identify(pid) === undefined) return false
  const [command = ''] = readProc(pid, 'cmdline').split('\0')
  if (command === '' || basename(command) === 'postgres') return true
  await rm(join(cluster, 'postmaster.pid'), { force: true })
  return false
}

/** Whether it answers a query; sees to it that the database is there. */
async function isReady(port: number, { dataDir, password }: Place): Promise<boolean> {
  const connectionString = urlOf(port, password, 'postgres')
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 2_000, ssl: false })
  client.on('error', () => undefined)
  try {
    await client.connect()
    const { rowCount } = await client.query(`select from pg_database where datname = '${user}'`)
    if (rowCount === 0) await client.query(`create database ${user}`)
    return true
  } catch (cause) {
    if ((cause as pg.DatabaseError).code !== '28P01') return false
    const message = `the database in ${dataDir} has another password than its file postgres-password`
    throw new Error(`${message}: restore that, or delete both to begin anew`, { cause })
  } finally {
    await client.end().catch(() => undefined)
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  return typeof address === 'object' && address ? address.port : 0
}
