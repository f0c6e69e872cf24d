import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { queryAt } from './database.js'
import { freePort } from './server-process.js'
import { until } from './until.js'

/**
 * PgBouncer in transaction mode before the server of `url`, as a child of the test: the URL of the same
 * database through it. `settings` are added to its configuration.
 */
export async function pgbouncer(
  t: Test,
  url: string,
  settings: Record<string, string> = {},
): Promise<string> {
  const { hostname, port: serverPort, username, password, pathname } = new URL(url)
  const folder = await mkdtemp(join(tmpdir(), 'pgbouncer-'))
  const port = await freePort()
  const secret = decodeURIComponent(password)
  const server = `host=${hostname} port=${serverPort || '5432'} user=${username}`
  const lines = Object.entries({
    listen_addr: '127.0.0.1',
    listen_port: String(port),
    unix_socket_dir: '',
    auth_type: 'any',
    pool_mode: 'transaction',
    ignore_startup_parameters:
      'extra_float_digits,statement_timeout,lock_timeout,idle_in_transaction_session_timeout',
    ...settings,
  }).map(([name, value]) => `${name} = ${value}`)
  const file = join(folder, 'pgbouncer.ini')
  const login = secret && ` password='${secret.replaceAll("'", "''")}'`
  await writeFile(file, `[databases]\n* = ${server}${login}\n[pgbouncer]\n${lines.join('\n')}\n`)
  await chmod(folder, 0o755) // it refuses to run as root
  await chmod(file, 0o644)
  const asOther = process.getuid?.() === 0 ? ['-u', 'nobody'] : []
  const child = spawn('/usr/sbin/pgbouncer', [...asOther, file], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let output = ''
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
    await rm(folder, { recursive: true, force: true })
  })
  const through = `postgres://${username}@127.0.0.1:${port}${pathname}`
  await until(async () => {
    if (child.exitCode !== null) throw new Error(output)
    return queryAt(through, 'select 1').then(
      () => true,
      () => false,
    )
  }, 'PgBouncer to serve')
  return through
}
