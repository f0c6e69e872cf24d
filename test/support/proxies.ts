import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { listeningApp, logIn, signUp, verifyEmails } from './app.js'
import { echoApp } from './echo-app.js'
import { exchange, toBytes, type RawRequest } from './http/connection.js'
import { freePort } from './server-process.js'

type Ports = { port: number; gatehouse: number; app: number }
type Proxy = (t: Test, ports: Ports) => Promise<void>

/** The recipe of examples/proxies with the addresses of a test; each must be in it. */
async function recipe(name: string, changes: [from: string, to: string][]): Promise<string> {
  let text = await readFile(new URL(`../../examples/proxies/${name}`, import.meta.url), 'utf8')
  for (const [from, to] of changes) {
    if (!text.includes(from)) throw new Error(`${name} has no ${from}`)
    text = text.replaceAll(from, to)
  }
  return text
}

const addresses = ({ gatehouse, app }: Ports): [string, string][] => [
  ['gatehouse:3000', `127.0.0.1:${gatehouse}`],
  ['app:8080', `127.0.0.1:${app}`],
]

const nginx: Proxy = async (t, ports) => {
  const folder = await scratch(t)
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  const paths = kinds.map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(' ')
  const text = await recipe('nginx.conf', [
    ...addresses(ports),
    ['listen 80;', `listen 127.0.0.1:${ports.port};`],
    ['http {\n', `http {\n  ${paths} access_log off;\n`],
  ])
  const file = join(folder, 'nginx.conf')
  await writeFile(file, text)
  const global = `daemon off; pid ${folder}/pid; error_log stderr warn;`
  await start(t, '/usr/sbin/nginx', ['-p', folder, '-c', file, '-g', global], folder, ports.port)
}

const caddy: Proxy = async (t, ports) => {
  const folder = await scratch(t)
  const text = await recipe('Caddyfile', [
    ...addresses(ports),
    ['\nexample.org {', `\nhttp://:${ports.port} {`],
  ])
  const file = join(folder, 'Caddyfile')
  await writeFile(file, `{\n admin off\n default_bind 127.0.0.1\n}\n${text}`)
  await start(
    t,
    '/usr/bin/caddy',
    ['run', '--config', file, '--adapter', 'caddyfile'],
    folder,
    ports.port,
  )
}

const proxies = { nginx, caddy }

export async function scratch(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'proxy-'))
  await chmod(folder, 0o755) // nginx's workers are somebody else
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Starts a server, and waits until it answers `/health/live` with one of these. */
export async function start(
  t: Test,
  path: string,
  args: string[],
  home: string,
  port: number,
  statuses = [200],
) {
  const child = spawn(path, args, {
    env: { HOME: home, XDG_DATA_HOME: home, XDG_CONFIG_HOME: home },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  }
  const exited = Promise.race([once(child, 'exit'), once(child, 'error')])
  t.teardown(async () => {
    child.kill('SIGTERM')
    await exited
  })
  const end = Date.now() + 20_000
  while (Date.now() < end && child.exitCode === null && child.pid !== undefined) {
    const isUp = await fetch(`http://127.0.0.1:${port}/health/live`).then(
      ({ status }) => statuses.includes(status),
      () => false,
    )
    if (isUp) return
    await sleep(50)
  }
  throw new Error(`${path} does not serve: ${output}`)
}

export const ada = {
  email: 'ada@example.org',
  name: 'Ada Löwe 🦁',
  password: 'correct horse battery',
}
const bob = { email: 'bob@example.org', password: 'correct horse battery' }

/** Gatehouse and an app behind a real proxy, which runs the recipe of examples/proxies. */
export async function behind(t: Test, name: keyof typeof proxies) {
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  const service = await listeningApp(t, { env: { PUBLIC_URL: origin } })
  const app = await echoApp(t)
  const gatehouse = Number(new URL(service.origin).port)
  await proxies[name](t, { port, gatehouse, app: app.port })
  await signUp(service.app, ada)
  await verifyEmails(service)
  const user = await logIn(service.app, ada)
  const { user: admin } = await signUp(service.app, bob)
  await service.sql(`insert into user_roles values ($1, 'admin')`, [admin.id])
  const asAda = `Authorization: Bearer ${user.access_token}`
  const asBob = `Authorization: Bearer ${(await logIn(service.app, bob)).access_token}`

  /** One request in exactly these bytes, and what came of it to the app. */
  async function ask(target: string, headers: string[] = [], more: RawRequest = {}) {
    const before = app.seen.length
    const basics = [`Host: 127.0.0.1:${port}`, ...(more.basics ?? ['Connection: close'])]
    const { answers } = await exchange(origin, toBytes({ target, headers, ...more, basics }))
    const [answer] = answers
    if (!answer) throw new Error(`no answer to ${target}`)
    return { ...answer, seen: app.seen.slice(before)[0] }
  }
  const isAda = {
    user: user.user.id,
    email: ada.email,
    name: 'Ada L%C3%B6we %F0%9F%A6%81',
    groups: 'user',
  }
  return { ...service, isAda, origin, user, admin, asAda, asBob, ask, seen: app.seen }
}
