import proxyAddr from '@fastify/proxy-addr'
import type { FastifyRequest } from 'fastify'

/**
 * The hosts of apps whose users have a session there, by FORWARD_AUTH_HOSTS. Such a host has the scheme of PUBLIC_URL, and a
 * port if that is not the scheme's own.
 */
export function createAppHosts(publicUrl: string, hosts: string[], trustProxy: string[]) {
  const { protocol } = new URL(publicUrl)
  const scheme = protocol.slice(0, -1)
  const listed = new Set(hosts)
  const originOf = (host: string) => `${protocol}//${host}`
  const redirectUriOf = (host: string) => `${originOf(host)}/forward-auth/callback`
  const ownPort = scheme === 'https' ? ':443' : ':80'
  const isProxy = createProxyCheck(trustProxy)

  return {
    isEmpty: listed.size === 0,
    originOf,
    redirectUriOf,

    /** The hosts by their redirect URIs. */
    byRedirectUri: new Map(hosts.map((host) => [redirectUriOf(host), host])),

    /** The host that the client asked a trusted proxy for, if it is listed. Each header has to be there, once. */
    find({ headers, socket }: FastifyRequest): string | undefined {
      const { 'x-forwarded-host': named, 'x-forwarded-proto': proto } = headers
      if (typeof named !== 'string' || proto !== scheme || !headers['x-forwarded-for'])
        return undefined
      const written = named.toLowerCase()
      const host = written.endsWith(ownPort) ? written.slice(0, -ownPort.length) : written
      return listed.has(host) && isProxy(socket.remoteAddress) ? host : undefined
    },
  }
}

export type AppHosts = ReturnType<typeof createAppHosts>

/** Whether an address is one of TRUST_PROXY. It remembers the last one: requests come from few proxies. */
function createProxyCheck(trustProxy: string[]) {
  const isTrusted = proxyAddr.compile(trustProxy)
  let last: { address: string; isProxy: boolean } | undefined

  return function isProxy(address: string | undefined): boolean {
    if (address === undefined) return false
    if (last?.address !== address) last = { address, isProxy: isTrusted(address, 0) }
    return last.isProxy
  }
}
