import { join } from 'node:path'
import type { Test } from 'tap'
import { testApp } from './app.js'
import { startAstro } from './astro-site.js'
import { writeCertificate } from './certificate.js'
import { send } from './many-hosts.js'
import { addApp, addSite } from './oauth.js'
import { recipe } from './proxies.js'
import { proxyServers, scratch } from './proxy-servers.js'
import { freePort } from './server-process.js'

export const proxies = ['caddy', 'nginx'] as const
type Proxy = (typeof proxies)[number]

const hosts = { auth: 'auth.acme.localhost', site: 'www.other.localhost' }

/**
 * The example below `/shop`, and Gatehouse on a host of another domain. The proxies of examples/proxies/astro give both
 * TLS, one after another on one port, because the address of the site is part of what Astro builds.
 */
export async function astroBehindProxies(t: Test) {
  const [proxyPort, port] = [await freePort(), String(await freePort())]
  const auth = `https://${hosts.auth}:${String(proxyPort)}`
  const origin = `https://${hosts.site}:${String(proxyPort)}`
  const site = `${origin}/shop`
  const service = await testApp(t, { env: { PUBLIC_URL: auth, TRUST_PROXY: 'loopback' } })
  const url = await service.app.listen({ host: '127.0.0.1', port: 0 })
  const redirect_uris = [`${site}/login/callback`]
  const { client_id, client_secret = '' } = await addApp(service, 'shop', { redirect_uris })
  const env = {
    ...{ GATEHOUSE_URL: url, GATEHOUSE_ISSUER: auth, GATEHOUSE_SITE_PROXIES: '127.0.0.1' },
    ...{ CLIENT_ID: client_id, GATEHOUSE_CLIENT_SECRET: client_secret },
    GATEHOUSE_SITE_KEY: await addSite(service),
  }
  await startAstro(t, { site: origin, port, base: '/shop', env })
  const folder = await scratch(t)
  await writeCertificate(folder, Object.values(hosts))

  const common: [string, string][] = [
    ['gatehouse:3000', new URL(url).host],
    ['site:4321', `127.0.0.1:${port}`],
  ]
  const changes: Record<Proxy, [string, string][]> = {
    caddy: [
      ...(['example.org', 'auth.example.net'] as const).map((host): [string, string] => [
        `\n${host} {`,
        `\nhttps://${host}:${String(proxyPort)} {\n\ttls ${join(folder, 'cert')} ${join(folder, 'key')}`,
      ]),
    ],
    nginx: [
      ['listen 443 ssl', `listen 127.0.0.1:${String(proxyPort)} ssl`],
      ['/etc/ssl/example.pem', join(folder, 'cert')],
      ['/etc/ssl/private/example.key', join(folder, 'key')],
    ],
  }
  const names: [string, string][] = [
    ['auth.example.net', hosts.auth],
    ['example.org', hosts.site],
  ]

  /** Starts a proxy until the test ends. */
  async function startProxy(t: Test, name: Proxy) {
    const file = name === 'nginx' ? 'nginx.conf' : 'Caddyfile'
    const config = await recipe(`astro/${file}`, [...changes[name], ...common, ...names])
    const isUp = () =>
      send(auth, '/health/live').then(
        ({ status }) => status === 200,
        () => false,
      )
    await proxyServers[name](t, proxyPort, config, isUp)
  }

  return { ...service, origin, site, auth, startProxy }
}
