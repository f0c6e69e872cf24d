import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { listeningApp } from '../support/app.js'
import { scratch, start } from '../support/proxy-servers.js'
import { freePort } from '../support/server-process.js'
import { until } from '../support/until.js'

const run = promisify(execFile)
const exitCode = (command: string, ...args: string[]) =>
  run(command, args).then(
    () => 0,
    (error: unknown) => (error as { code: number }).code,
  )

t.test('HAProxy sees by GET, HEAD and OPTIONS whether an instance is ready', async (t) => {
  const { app, origin } = await listeningApp(t)
  const [folder, port] = [await scratch(t), await freePort()]
  const file = join(folder, 'haproxy.cfg')
  const checks = { GET: '200', HEAD: '200', OPTIONS: '204' }
  const backends = Object.keys(checks).map(
    (method) => `backend ${method}
  option httpchk ${method} /health/ready
  server one ${new URL(origin).host} check inter 100ms fall 1 rise 1
`,
  )
  await writeFile(
    file,
    `defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
frontend stats
  bind 127.0.0.1:${port}
  stats enable
  stats uri /stats
  http-request return status 200 if { path /health/live }
${backends.join('')}`,
  )
  await start(t, '/usr/sbin/haproxy', ['-db', '-f', file], folder, port)

  /** The state of each server, and the status that its last check got. */
  async function states() {
    const text = await (await fetch(`http://127.0.0.1:${port}/stats;csv`)).text()
    const [head = '', ...lines] = text.replace(/^# /, '').trim().split('\n')
    const names = head.split(',')
    const rows = lines.map((line) => line.split(','))
    const value = (row: string[], name: string) => row[names.indexOf(name)] ?? ''
    const servers = rows.filter((row) => value(row, 'svname') === 'one')
    return new Map(
      servers.map((row) => [
        value(row, 'pxname'),
        { status: value(row, 'status'), code: value(row, 'check_code') },
      ]),
    )
  }
  const are = (state: string, codes: Record<string, string>) => async () =>
    [...(await states())].every(
      ([method, { status, code }]) => status === state && code === codes[method],
    )
  await until(are('UP', checks), 'every check to succeed')
  t.same([...(await states()).keys()], Object.keys(checks))
  app.drain()
  await until(are('DOWN', { GET: '503', HEAD: '503', OPTIONS: '503' }), 'every check to fail')
})

t.test('wget --spider and curl -I tell a ready instance from another', async (t) => {
  const { app, origin } = await listeningApp(t)
  const url = `${origin}/health/ready`
  t.equal(await exitCode('wget', '-q', '--spider', '--tries=1', url), 0)
  t.equal(await exitCode('curl', '-sfI', url), 0)
  t.match((await run('curl', ['-sI', url])).stdout, /^HTTP\/1\.1 200 .*content-length: \d+/is)
  app.drain()
  t.not(await exitCode('wget', '-q', '--spider', '--tries=1', url), 0)
  t.not(await exitCode('curl', '-sfI', url), 0)
})
