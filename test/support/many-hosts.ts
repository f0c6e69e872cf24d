import { writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'
import { ada } from './app.js'
import { writeCertificate } from './certificate.js'
import { cluster } from './cluster.js'
import { statementsAt, testDatabase } from './database.js'
import { echoApp } from './echo-app.js'
import { recipe } from './proxies.js'
import { proxyServers, scratch } from './proxy-servers.js'
import { freePort, post } from './server-process.js'

export type Proxy = 'nginx' | 'caddy' | 'haproxy'

/** Two of them are of one domain with Gatehouse, the third is of another one. */
export const names = {
  auth: 'auth.acme.localhost',
  app1: 'app1.acme.localhost',
  app2: 'app2.acme.localhost',
  app3: 'app.other.localhost',
}

const files: Record<Proxy, string> = {
  nginx: 'nginx.conf',
  caddy: 'Caddyfile',
  haproxy: 'haproxy.cfg',
}

type Setting = { port: number; instances: number[]; apps: number[]; folder: string }

/** What is different in a test: [from, to]. Each must be in the recipe. */
const changes: Record<Proxy, (setting: Setting) => [from: string, to: string][]> = {
  nginx: ({ port, instances, folder }) => [
    [
      'server gatehouse:3000;',
      instances.map((at) => `server 127.0.0.1:${at} max_fails=0;`).join('\n'),
    ],
    ['listen 443 ssl', `listen 127.0.0.1:${port} ssl`],
    ['/etc/ssl/example.pem', join(folder, 'cert')],
    ['/etc/ssl/private/example.key', join(folder, 'key')],
  ],
  caddy: ({ port, instances, folder }) => [
    ['gatehouse:3000', instances.map((at) => `127.0.0.1:${at}`).join(' ')],
    ['\timport strip', `\timport strip\n\ttls ${join(folder, 'cert')} ${join(folder, 'key')}`],
    ...['auth.example.org', 'app1.example.org', 'app2.example.org', 'app.example.net'].map(
      (host): [string, string] => [`\n${host} {`, `\nhttps://${host}:${port} {`],
    ),
  ],
  haproxy: ({ port, instances, folder }) => [
    ['/etc/haproxy/haproxy.lua', join(folder, 'haproxy.lua')],
    [
      'bind :443 ssl crt /etc/haproxy/example.pem',
      `bind 127.0.0.1:${port} ssl crt ${join(folder, 'pem')}`,
    ],
    [
      '  server gatehouse gatehouse:3000 check',
      instances.map((at) => `  server at${at} 127.0.0.1:${at}`).join('\n'),
    ],
  ],
}

/** The line of each recipe with which app2 needs a second factor: [from, to]. */
const factorAtApp2: Record<Proxy, [from: string, to: string]> = {
  nginx: ['# app2.example.org /mfa;', 'app2.example.org /mfa;'],
  caddy: ['import app app2:8080 /forward-auth', 'import app app2:8080 /forward-auth/mfa'],
  haproxy: [
    'acl needs_factor always_false',
    'acl needs_factor var(txn.host) -m str app2.example.org',
  ],
}

/** Three instances of Gatehouse and three apps behind a real proxy with TLS, which runs a recipe of examples/proxies. */
export async function behindManyHosts(
  t: Test,
  proxy: Proxy,
  env: Record<string, string> = {},
  { needsFactor = false } = {},
) {
  const port = await freePort()
  const url = await testDatabase(t)
  const origins = Object.fromEntries(
    Object.entries(names).map(([key, name]) => [key, `https://${name}:${port}`]),
  ) as Record<keyof typeof names, string>
  const shared = {
    DATABASE_URL: url,
    PUBLIC_URL: origins.auth,
    FORWARD_AUTH_HOSTS: [origins.app1, origins.app2, origins.app3]
      .map((origin) => new URL(origin).host)
      .join(),
    ...env,
  }
  const servers = await cluster(t, [shared, shared, shared])
  const apps = [await echoApp(t), await echoApp(t), await echoApp(t)]
  const folder = await scratch(t)
  await writeCertificate(folder, Object.values(names))
  const instances = servers.map(({ origin }) => Number(new URL(origin).port))
  const setting = { port, instances, apps: apps.map((app) => app.port), folder }
  const lua = await recipe('haproxy.lua', [['gatehouse:3000', `127.0.0.1:${instances[2]}`]])
  await writeFile(join(folder, 'haproxy.lua'), lua)
  const config = await recipe(`many-hosts/${files[proxy]}`, [
    ...(needsFactor ? [factorAtApp2[proxy]] : []),
    ...changes[proxy](setting),
    ...apps.map((app, at): [string, string] => [`app${at + 1}:8080`, `127.0.0.1:${app.port}`]),
    ['auth.example.org', names.auth],
    ['app1.example.org', names.app1],
    ['app2.example.org', names.app2],
    ['app.example.net', names.app3],
  ])
  const isUp = () =>
    send(origins.auth, '/health/live').then(
      ({ status }) => status === 200,
      () => false,
    )
  await proxyServers[proxy](t, port, config, isUp)
  const registered = await post(`${servers[0]!.origin}/api/register`, ada)
  if (registered.status !== 201) throw new Error(`registered: ${registered.status}`)
  return { origins, servers, apps, sql: statementsAt(t, url) }
}

const agent = new Agent({ rejectUnauthorized: false })

/** A request that goes through the proxy. The name of the host is resolved to this machine. */
export async function send(
  origin: string,
  path: string,
  {
    method = 'GET',
    headers = {},
    body,
    from,
  }: {
    method?: string
    headers?: Record<string, string>
    body?: string
    /** The address of the client, which is one of this machine. */
    from?: string
  } = {},
) {
  const { host, hostname, port } = new URL(origin)
  return new Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; body: string }>(
    (resolve, reject) => {
      const sent = request(
        {
          ...{ host: '127.0.0.1', port, path, method, agent, servername: hostname },
          headers: { host, ...headers },
          ...(from !== undefined && { localAddress: from, agent: false }),
          rejectUnauthorized: false,
        },
        (answer) => {
          text(answer).then(
            (read) =>
              resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: read }),
            reject,
          )
        },
      )
      sent.on('error', reject).end(body)
    },
  )
}
