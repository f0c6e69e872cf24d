import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { listeningApp, logIn, signUp, verifyEmails } from './app.js'
import { echoApp } from './echo-app.js'
import { exchange, toBytes, type RawRequest } from './http/connection.js'
import { proxyServers, scratch } from './proxy-servers.js'
import { freePort } from './server-process.js'

type Ports = { port: number; gatehouse: number; app: number }
type Recipe = (t: Test, ports: Ports) => Promise<string>

/** The recipe of examples/proxies with the addresses of a test; each must be in it. */
export async function recipe(name: string, changes: [from: string, to: string][]): Promise<string> {
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

/** A script next to a configuration, with the address of Gatehouse. @returns its path */
async function script(t: Test, name: string, ports: Ports): Promise<string> {
  const file = join(await scratch(t), name)
  await writeFile(file, await recipe(name, addresses(ports).slice(0, 1)))
  return file
}

const recipes: Record<keyof typeof proxyServers, Recipe> = {
  nginx: (_t, ports) =>
    recipe('nginx.conf', [...addresses(ports), ['listen 80;', `listen 127.0.0.1:${ports.port};`]]),

  caddy: (_t, ports) =>
    recipe('Caddyfile', [...addresses(ports), ['\nexample.org {', `\nhttp://:${ports.port} {`]]),

  haproxy: async (t, ports) =>
    recipe('haproxy.cfg', [
      ...addresses(ports),
      ['/etc/haproxy/haproxy.lua', await script(t, 'haproxy.lua', ports)],
      ['bind :443 ssl crt /etc/haproxy/example.org.pem', `bind 127.0.0.1:${ports.port}`],
      ['X-Forwarded-Proto https', 'X-Forwarded-Proto http'],
    ]),

  apache: async (t, ports) =>
    recipe('apache.conf', [
      ...addresses(ports),
      ['/etc/apache2/apache.lua', await script(t, 'apache.lua', ports)],
      ['<VirtualHost *:443>', `<VirtualHost 127.0.0.1:${ports.port}>`],
      ['  SSLEngine on\n', ''],
      ['  SSLCertificateFile /etc/ssl/example.org.pem\n', ''],
      ['  SSLCertificateKeyFile /etc/ssl/private/example.org.key\n', ''],
    ]),
}

export const ada = {
  email: 'ada@example.org',
  name: 'Ada Löwe 🦁',
  password: 'correct horse battery',
}
const bob = { email: 'bob@example.org', password: 'correct horse battery' }

/** Gatehouse and an app behind a real proxy, which runs the recipe of examples/proxies. */
export async function behind(t: Test, name: keyof typeof proxyServers) {
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  const service = await listeningApp(t, { env: { PUBLIC_URL: origin } })
  const app = await echoApp(t)
  const gatehouse = Number(new URL(service.origin).port)
  const config = await recipes[name](t, { port, gatehouse, app: app.port })
  await proxyServers[name](t, port, config)
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
