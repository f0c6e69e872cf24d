import { randomBytes } from 'node:crypto'
import type { SerializeOptions } from '@fastify/cookie'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { addLines, cookieValues, expired, expiredElsewhere, setCookie } from '../../http/cookies.js'
import { AppError } from '../../errors.js'
import { deviceLifetime } from '../limits/device.js'
import type { TokenPair } from '../tokens/service.js'

export type SessionCookies = ReturnType<typeof createSessionCookies>

/**
 * `session` holds the access token and `refresh` the refresh token. `device` marks a device that logged
 * in before, `asker` a browser that asked for a message. `flash` names a message for the next page, and
 * `social` keeps a login by a provider.
 */
export type CookieName = 'session' | 'refresh' | 'device' | 'asker' | 'flash' | 'social'

type Options = { publicUrl: string; corsOrigins: string[]; refreshTtl: number }

/**
 * The cookies of a browser, and where its requests come from. Over https every name has the prefix
 * `__Host-`, because another host of the domain, or plain http, could set any other (RFC 6265bis
 * §4.1.3.2). Scripts alone also get `session` without it.
 */
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

  const nameFor = (request: FastifyRequest, name: CookieName) =>
    isSecure(request) ? `__Host-${name}` : name

  /** A client that keeps `__Host-` cookies needs no other, whatever headers a proxy took away. */
  function nameIn(request: FastifyRequest, name: CookieName): string {
    const isPlain =
      name === 'session' && isScript(request) && !request.headers.cookie?.includes('__Host-')
    return isPlain ? name : nameFor(request, name)
  }

  const valuesOf = (request: FastifyRequest, name: CookieName) =>
    cookieValues(request, nameIn(request, name))

  function isAmbiguous(request: FastifyRequest): boolean {
    if (request.headers.cookie === undefined) return false
    return valuesOf(request, 'session').length > 1 || valuesOf(request, 'refresh').length > 1
  }

  const elsewhere = ({ hostname, url }: FastifyRequest, name: string, target = url) =>
    expiredElsewhere(hostname, name, target)

  /** The lines that remove the session, wherever its cookies lie. */
  function clearing(request: FastifyRequest): string[] {
    return (['session', 'refresh'] as const).flatMap((name) => {
      const counted = nameIn(request, name)
      const isSent = counted !== name && cookieValues(request, name).length > 0
      const isScripts = name === 'session' && isScript(request)
      const names = new Set([nameFor(request, name), counted])
      if (isSent || isScripts) names.add(name)
      const isTwice = cookieValues(request, counted).length > 1
      const others = isTwice ? elsewhere(request, counted) : []
      return [...others, ...[...names].map((each) => expired(each, attributes(request)))]
    })
  }

  const self = {
    /** The value of a cookie. Undefined if there are two of the name: another host may have set one. */
    read(request: FastifyRequest, name: CookieName): string | undefined {
      const [value, another] = valuesOf(request, name)
      return another === undefined ? value : undefined
    },

    /** Whether two cookies of one name claim to be the session: neither is, and both must go. */
    isAmbiguous,

    /**
     * The access or refresh token in a cookie.
     * @throws AppError `invalid_token` without one, or if the session is ambiguous: its reply clears it
     */
    requireToken(request: FastifyRequest, name: 'session' | 'refresh'): string {
      if (isAmbiguous(request)) {
        throw new AppError('invalid_token', { cookies: clearing(request) })
      }
      const token = self.read(request, name)
      if (token === undefined) throw new AppError('invalid_token')
      return token
    },

    /** Stores a value for `lifetime` seconds. */
    write(reply: FastifyReply, name: CookieName, value: string, lifetime: number): void {
      const { request } = reply
      const options = { ...attributes(request), maxAge: lifetime }
      setCookie(reply, nameFor(request, name), value, options)
    },

    /** The value of a cookie that counts once: the reply removes it. */
    take(request: FastifyRequest, reply: FastifyReply, name: CookieName): string | undefined {
      const sent = valuesOf(request, name)
      if (sent.length === 0) return undefined
      const counted = nameIn(request, name)
      const others = sent.length > 1 ? elsewhere(request, counted) : []
      addLines(reply, [...others, expired(counted, attributes(request))])
      return self.read(request, name)
    },

    /** The next pair of a session. */
    set(request: FastifyRequest, reply: FastifyReply, tokens: TokenPair): void {
      const { access_token, refresh_token, expires_in } = tokens
      self.write(reply, 'session', access_token, expires_in)
      self.write(reply, 'refresh', refresh_token, refreshTtl)
      if (!isSecure(request) || !isScript(request)) return
      setCookie(reply, 'session', access_token, { ...attributes(request), maxAge: expires_in })
    },

    /**
     * A new session, in the place of every cookie that claims to be one. No logout takes the mark of the
     * device away, since it is no credential.
     */
    start(request: FastifyRequest, reply: FastifyReply, tokens: TokenPair, device: string): void {
      for (const name of ['session', 'refresh'] as const) {
        if (cookieValues(request, name).length === 0) continue
        if (!isSecure(request)) addLines(reply, elsewhere(request, name))
        // It is from before the prefix, and no logout would reach it.
        else if (name === 'refresh') addLines(reply, [expired(name, attributes(request))])
      }
      self.set(request, reply, tokens)
      self.setDevice(reply, device)
    },

    setDevice(reply: FastifyReply, mark: string): void {
      self.write(reply, 'device', mark, deviceLifetime)
    },

    readAsker(request: FastifyRequest): string | undefined {
      const value = self.read(request, 'asker') ?? ''
      return /^[A-Za-z0-9_-]{22}$/.test(value) ? value : undefined
    },

    /** For a day, a browser that asked for a message is told from others. */
    setAsker(request: FastifyRequest, reply: FastifyReply): string {
      const value = self.readAsker(request) ?? randomBytes(16).toString('base64url')
      self.write(reply, 'asker', value, 86_400)
      return value
    },

    clear(request: FastifyRequest, reply: FastifyReply): void {
      addLines(reply, clearing(request))
    },

    /** Removes cookies that another host set for other pages of this host, but no session of ours. */
    clearFor(target: string, request: FastifyRequest, reply: FastifyReply): void {
      if (isSecure(request)) return
      for (const name of ['session', 'refresh']) addLines(reply, elsewhere(request, name, target))
    },

    /**
     * Whether a page of another site sent this request. Every browser of today says so of a form or
     * a script that posts, in one of two headers that no page can set (ASVS 3.5.1, Fetch §3.2); what
     * sends neither header is not a browser, so CSRF does not apply.
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
  return self
}

/** A browser says over https where every request comes from (Fetch Metadata §2). */
function isScript({ headers }: FastifyRequest): boolean {
  if (headers.origin !== undefined) return false
  for (const name in headers) if (name.startsWith('sec-fetch-')) return false
  return true
}
