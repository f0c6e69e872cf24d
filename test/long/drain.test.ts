import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { bearer } from '../support/app.js'
import { inParallel, logins, type Login } from '../support/cluster.js'
import { testDatabase } from '../support/database.js'
import { freePort, startServer } from '../support/server-process.js'
import { losses, none, stopUnderLoad } from '../support/stop-under-load.js'

const minutes = 60_000

async function service(t: Test): Promise<{ env: Record<string, string>; login: Login }> {
  const env = { DATABASE_URL: await testDatabase(t), PUBLIC_URL: 'http://gatehouse.test' }
  const [login] = await logins(await startServer(t, env), 1)
  return { env, login: login! }
}

t.test(
  'ten stops with a hundred connections: no reset, no lost answer',
  { timeout: 10 * minutes },
  async (t) => {
    const { env, login } = await service(t)
    for (let round = 1; round <= 10; round += 1) {
      const connections = 100
      const stop = await stopUnderLoad(t, env, login, { connections, delay: 2 })
      t.strictSame(losses(stop.before), none, `round ${round}`)
      t.strictSame(losses(stop.during), none)
      t.match(stop, { ready: { status: 503, connection: 'close' }, slow: 401, code: 0 })
      t.ok(stop.ms < 10_000, `${stop.ms.toFixed(0)} ms`)
    }
  },
)

// Without max_fails=0 nginx asks a server that restarted for no request, for ten seconds.
const nginx = (folder: string, port: number, [one, two]: number[]) => `
  daemon off; pid ${folder}/pid; error_log stderr warn; worker_processes 1;
  events { worker_connections 1024; }
  http {
    ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(' ')}
    access_log off;
    upstream gatehouse { server 127.0.0.1:${one} max_fails=0; server 127.0.0.1:${two} max_fails=0; keepalive 32; }
    server {
      listen 127.0.0.1:${port};
      location / { proxy_pass http://gatehouse; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; }
    }
  }`

const haproxy = (_folder: string, port: number, [one, two]: number[]) => `
  defaults
    mode http
    timeout connect 2s
    timeout client 30s
    timeout server 30s
    timeout check 5s
    http-reuse always
  frontend in
    bind 127.0.0.1:${port}
    default_backend gatehouse
  backend gatehouse
    option httpchk GET /health/ready
    http-check send hdr Host gatehouse.test
    default-server check inter 500ms fall 1 rise 1
    server one 127.0.0.1:${one}
    server two 127.0.0.1:${two}
`

const proxies = {
  nginx: { config: nginx, command: '/usr/sbin/nginx', args: ['-e', 'stderr', '-c'] },
  HAProxy: { config: haproxy, command: '/usr/sbin/haproxy', args: ['-f'] },
}

for (const [name, { config, command, args }] of Object.entries(proxies)) {
  t.test(
    `behind ${name} with connections kept alive, a rolling restart loses no request`,
    { timeout: 10 * minutes },
    async (t) => {
      const { env, login } = await service(t)
      const ports = [await freePort(), await freePort()]
      const start = (port: number) => startServer(t, { ...env, PORT: String(port) })
      const servers = await Promise.all(ports.map(start))
      const port = await freePort()
      const folder = await mkdtemp(join(tmpdir(), 'drain-'))
      await chmod(folder, 0o755)
      const file = join(folder, 'proxy.conf')
      await writeFile(file, config(folder, port, ports))
      const proxy = spawn(command, [...args, file], { stdio: ['ignore', 'inherit', 'inherit'] })
      t.teardown(async () => {
        proxy.kill('SIGTERM')
        await once(proxy, 'exit')
        await rm(folder, { recursive: true })
      })

      const statuses = new Map<number, number>()
      const count = (status: number) => statuses.set(status, (statuses.get(status) ?? 0) + 1)
      const ask = (method: 'GET' | 'POST') =>
        fetch(`http://127.0.0.1:${port}${method === 'GET' ? '/api/user' : '/oauth/revoke'}`, {
          method,
          ...(method === 'GET'
            ? { headers: bearer(login.access_token) }
            : { body: new URLSearchParams({ token: 'no token' }) }),
        }).then(
          async ({ status, body }) => {
            await body?.cancel()
            return status
          },
          () => 0,
        )
      while ((await ask('GET')) !== 200) await sleep(100)
      let isRunning = true
      const load = inParallel(
        40,
        async (at) => {
          while (isRunning) {
            count(await ask(at % 4 ? 'GET' : 'POST'))
            await sleep(Math.random() * 60)
          }
        },
        40,
      )
      for (let round = 0; round < 6; round += 1) {
        const at = round % 2
        await sleep(1_500)
        servers[at]!.child.kill('SIGTERM')
        t.equal(await servers[at]!.exited, 0)
        servers[at] = await start(ports[at]!)
      }
      isRunning = false
      await load
      t.same([...statuses.keys()], [200], JSON.stringify([...statuses]))
    },
  )
}
