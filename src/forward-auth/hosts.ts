import type { FastifyRequest } from 'fastify'

/**
 * The hosts of apps whose users have a session there, by FORWARD_AUTH_HOSTS. Such a host has the scheme of PUBLIC_URL, and a
 * port if that is not the scheme's own.
 */
export function createAppHosts(publicUrl: string, hosts: string[]) {
  const { protocol } = new URL(publicUrl)
  const listed = new Set(hosts)
  const originOf = (host: string) => `${protocol}//${host}`
  const redirectUriOf = (host: string) => `${originOf(host)}/forward-auth/callback`
  const ownPort = protocol === 'https:' ? ':443' : ':80'

  return {
    isEmpty: listed.size === 0,
    originOf,
    redirectUriOf,

    /** The hosts by their redirect URIs. */
    byRedirectUri: new Map(hosts.map((host) => [redirectUriOf(host), host])),

    /** The host that the client asked a trusted proxy for, if it is listed. */
    find(request: FastifyRequest): string | undefined {
      const named = request.host.toLowerCase()
      const host = named.endsWith(ownPort) ? named.slice(0, -ownPort.length) : named
      if (!listed.has(host) || `${request.protocol}:` !== protocol) return undefined
      return isFromProxy(request) ? host : undefined
    },
  }
}

export type AppHosts = ReturnType<typeof createAppHosts>

/** Whether a proxy of TRUST_PROXY sent the request: then `ips` has its address, and the client's from X-Forwarded-For. */
export const isFromProxy = ({ ips = [] }: FastifyRequest): boolean => ips.length > 1
