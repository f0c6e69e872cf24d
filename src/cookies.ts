import { fastifyCookie as cookie, type SerializeOptions } from '@fastify/cookie'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { TokenPair } from './tokens/service.js'

/** Without the library's plugin, which reads the cookies of every request: most bear a token in a header. */
export function cookieOf({ headers }: FastifyRequest, name: string): string | undefined {
  return headers.cookie === undefined ? undefined : cookie.parse(headers.cookie)[name]
}

/** All of ours have the same path and no domain: one of a name replaces the one set before. */
export function setCookie(
  reply: FastifyReply,
  name: string,
  value: string,
  attributes: SerializeOptions,
): void {
  const others = [reply.getHeader('set-cookie') ?? []]
    .flat()
    .map(String)
    .filter((line) => !line.startsWith(`${name}=`))
  reply.removeHeader('set-cookie')
  reply.header('set-cookie', [...others, cookie.serialize(name, value, attributes)])
}

export function clearCookie(reply: FastifyReply, name: string, attributes: SerializeOptions): void {
  setCookie(reply, name, '', { ...attributes, expires: new Date(0), maxAge: 0 })
}

export type SessionCookies = ReturnType<typeof createSessionCookies>

type Options = { publicUrl: string; corsOrigins: string[]; refreshTtl: number }

/** The two cookies of a browser's session: `session` holds the access token, `refresh` the other. */
export function createSessionCookies({ publicUrl, corsOrigins, refreshTtl }: Options) {
  const publicOrigin = new URL(publicUrl).origin
  const alwaysSecure = publicOrigin.startsWith('https:')

  const isSecure = ({ protocol }: FastifyRequest) => alwaysSecure || protocol === 'https'
  const attributes = (request: FastifyRequest): SerializeOptions => ({
    path: '/',
    httpOnly: true,
    sameSite: 'lax',
    secure: isSecure(request),
  })
  // Where it can be, of a name that no other host of our domain can set (RFC 6265bis §4.1.3.2).
  const transaction = (request: FastifyRequest) => (isSecure(request) ? '__Host-social' : 'social')

  return {
    set(request: FastifyRequest, reply: FastifyReply, tokens: TokenPair): void {
      const options = attributes(request)
      setCookie(reply, 'session', tokens.access_token, { ...options, maxAge: tokens.expires_in })
      setCookie(reply, 'refresh', tokens.refresh_token, { ...options, maxAge: refreshTtl })
    },

    /** A year's mark of the device; no logout takes it away, since it logs nobody in. */
    setDevice(request: FastifyRequest, reply: FastifyReply, mark: string): void {
      setCookie(reply, 'device', mark, { ...attributes(request), maxAge: 31_536_000 })
    },

    clear(request: FastifyRequest, reply: FastifyReply): void {
      clearCookie(reply, 'session', attributes(request))
      clearCookie(reply, 'refresh', attributes(request))
    },

    /** The login by a provider that has begun; `lifetime` in seconds. */
    setTransaction(request: FastifyRequest, reply: FastifyReply, sealed: string, lifetime: number) {
      const options = { ...attributes(request), maxAge: lifetime }
      setCookie(reply, transaction(request), sealed, options)
    },

    /** It comes back once. */
    takeTransaction(request: FastifyRequest, reply: FastifyReply): string | undefined {
      const name = transaction(request)
      const sealed = cookieOf(request, name)
      if (sealed !== undefined) clearCookie(reply, name, attributes(request))
      return sealed
    },

    /**
     * Whether a page of another site sent this request. Every browser of today says so of a form or
     * a script that posts, in one of two headers that no page can set (ASVS 3.5.1, Fetch §3.2); what
     * says neither is no browser, and its cookies nobody else can use.
     */
    isForeign({ headers, method, protocol, host }: FastifyRequest): boolean {
      const { origin, 'sec-fetch-site': site } = headers
      if (site === 'same-origin') return false
      if (site === 'none') return method !== 'GET' // typed, or a bookmark
      if (origin !== undefined && corsOrigins.includes(origin)) return false
      if (site !== undefined) return true
      return origin !== undefined && origin !== publicOrigin && origin !== `${protocol}://${host}`
    },
  }
}
