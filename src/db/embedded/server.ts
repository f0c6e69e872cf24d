import { randomInt } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import pg from 'pg'
import { OperatorError } from '../../errors.js'
import type { Cluster } from './cluster.js'

type Session = pg.Client & { unref(): void }
export type Server = { pid: number; url: string; session: Session }

/**
 * PostgreSQL refuses to start if another one runs in the cluster, or if its port is taken. The next
 * call chooses another port.
 * @throws Error with the end of the log
 */
export async function launch({ path, run }: Cluster, durable: boolean): Promise<void> {
  const settings = ['listen_addresses=127.0.0.1', `port=${randomInt(10_000, 32_000)}`]
  settings.push('unix_socket_directories=', 'max_connections=300', 'shared_buffers=32MB')
  if (!durable) settings.push('fsync=off', 'synchronous_commit=off', 'full_page_writes=off')
  const options = settings.map((setting) => `-c ${setting}`).join(' ')
  try {
    // Relative paths, because pg_ctl passes paths to a shell, which would expand a `$`.
    await run('pg_ctl', ['start', '-D', '.', '-l', 'postgres.log', '-t', '30', '-o', options])
  } catch (cause) {
    const log = readText(join(path, 'postgres.log')).trimEnd().split('\n')
    throw new Error([(cause as Error).message, ...log.slice(-8)].join('\n'), { cause })
  }
}

/** Process, port and state of the PostgreSQL that runs in the cluster. */
export function readPidFile({ path }: Cluster) {
  const file = join(path, 'postmaster.pid')
  const lines = readText(file).split('\n')
  const pid = Number.parseInt(lines[0] ?? '')
  try {
    process.kill(pid, 0)
  } catch {
    return undefined
  }
  const [command = ''] = readText(`/proc/${pid}/cmdline`, 'postgres').split('\0')
  const isReady = lines[7]?.trim() === 'ready'
  if (basename(command) === 'postgres') return { pid, port: Number(lines[3]), isReady }
  // After a reboot, another program may have this id. PostgreSQL would refuse to start.
  rmSync(file, { force: true })
  return undefined
}

/** A session, and the address for others; undefined if no PostgreSQL listens. */
export async function connect(cluster: Cluster): Promise<Server | undefined> {
  const { pid, port } = readPidFile(cluster) ?? {}
  if (!pid || !port) return undefined
  const urlOf = (name: string) =>
    `postgres://gatehouse:${cluster.password}@127.0.0.1:${port}/${name}`
  const session = new pg.Client({
    connectionString: urlOf('postgres'),
    application_name: `process ${process.pid}`,
    connectionTimeoutMillis: 2_000,
    lock_timeout: 2_000,
    query_timeout: 5_000,
    ssl: false,
  }) as Session
  session.on('error', () => undefined)
  try {
    await session.connect()
    const { rowCount } = await session.query(`select from pg_database where datname = 'gatehouse'`)
    if (rowCount === 0) await session.query('create database gatehouse')
    return { pid, url: urlOf('gatehouse'), session }
  } catch (error) {
    await session.end()
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ECONNREFUSED') return undefined
    if (code !== '28P01') throw error
    throw new OperatorError('it refuses the password in postgres-password: restore that file')
  }
}

/**
 * Takes an advisory lock, which ends with the session, also if the process is killed. False if another
 * session still has it after `lock_timeout`.
 */
export async function lock(session: pg.Client, call: string): Promise<boolean> {
  try {
    await session.query(`select ${call}`)
    return true
  } catch (error) {
    if ((error as pg.DatabaseError).code !== '55P03') throw error
    return false
  }
}

function readText(path: string, otherwise = ''): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return otherwise
  }
}
