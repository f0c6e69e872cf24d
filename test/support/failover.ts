import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { chooseIdentity } from '../../src/db/embedded/binaries.js'
import { queryAt, urlOf } from './database.js'
import { freePort } from './server-process.js'
import { tcpProxy } from './tcp-proxy.js'
import { until } from './until.js'

export type Binaries = { initdb: string; postgres: string }

const run = promisify(execFile)
const environment = { LC_ALL: 'C', TZ: 'UTC' }

/**
 * A primary, a standby that it streams to, asynchronously, and one address that leads to the primary
 * until the standby takes over: then no statement fails, for connections move between two of them.
 */
export async function failoverDatabase(t: Test, binaries: Binaries) {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-failover-'))
  await chmod(folder, 0o711)
  const identity = await chooseIdentity(folder)
  const [first, second] = [join(folder, 'first'), join(folder, 'second')]
  const home = join(folder, 'home')
  await mkdir(home)
  if (identity) await chown(home, identity.uid, identity.gid)
  const made = join(home, 'made')
  const flags = ['--username=gatehouse', '--auth=trust', '--no-sync', '--encoding=UTF8']
  await run(binaries.initdb, ['-D', made, ...flags, '--locale=C'], {
    cwd: home,
    env: environment,
    ...identity,
  })
  await run('cp', ['-a', made, first])
  await run('cp', ['-a', made, second])

  const servers = new Set<ChildProcess>()
  t.teardown(async () => {
    await Promise.all([...servers].map(kill))
    await rm(folder, { recursive: true, force: true })
  })

  async function start(dataDir: string, settings: string[] = []) {
    const port = await freePort()
    const all = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', `port=${port}`]
    all.push('fsync=off', 'shared_buffers=16MB', 'wal_keep_size=256MB', ...settings)
    const child = spawn(
      binaries.postgres,
      ['-D', dataDir, ...all.flatMap((setting) => ['-c', setting])],
      { cwd: dataDir, env: environment, stdio: ['ignore', 'ignore', 'pipe'], ...identity },
    )
    let output = ''
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
    servers.add(child)
    const url = `postgres://gatehouse@127.0.0.1:${port}/postgres`
    await until(async () => {
      if (child.exitCode !== null) throw new Error(output)
      return isTrue(url, 'select true as yes')
    }, 'PostgreSQL to answer')
    return { child, url }
  }

  const primary = await start(first)
  const stream = await tcpProxy(t, primary.url)
  const { port } = new URL(stream.url)
  await writeFile(join(second, 'standby.signal'), '')
  const source = `primary_conninfo=host=127.0.0.1 port=${port} user=gatehouse`
  const standby = await start(second, [source])
  await queryAt(primary.url, 'create database gatehouse')
  const [there, here] = [urlOf(primary.url, 'gatehouse'), urlOf(standby.url, 'gatehouse')]
  const link = await tcpProxy(t, there)

  return {
    /** The address that moves. */
    url: link.url,
    primary: there,
    standby: here,

    /** From now on the standby hears nothing, once it has heard all of before. */
    async detach(): Promise<void> {
      const [row] = await queryAt<{ lsn: string }>(
        there,
        'select pg_current_wal_lsn()::text as lsn',
      )
      await until(
        () => isTrue(here, `select pg_last_wal_replay_lsn() >= '${row?.lsn}' as yes`),
        'the standby to catch up',
      )
      stream.refuse()
      await until(
        () => isTrue(here, 'select not exists (select from pg_stat_wal_receiver) as yes'),
        'the standby to be alone',
      )
    },

    /** The standby becomes a primary. */
    promote: () => queryAt(here, 'select pg_promote(true)'),
    /** All who came by the address are there now. */
    move: () => link.moveTo(here),
    /** As when its machine dies. */
    killPrimary: () => kill(primary.child),
  }
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGQUIT')
  await once(child, 'exit')
}

async function isTrue(url: string, sql: string): Promise<boolean> {
  return queryAt<{ yes: boolean }>(url, sql).then(
    ([row]) => row?.yes === true,
    () => false,
  )
}
