import { randomBytes } from 'node:crypto'
import type { SerializeOptions } from '@fastify/cookie'
import type { FastifyReply, FastifyRequest } from 'fastify'
import {
  addCookieLines,
  cookieValues,
  expired,
  expiredElsewhere,
  setCookie,
} from '../../http/cookies.js'
import { AppError } from '../../errors.js'
import { callerOf, type Caller } from '../../http/caller.js'
import { deviceMarkTtl } from '../limits/device.js'
import type { TokenPair } from '../tokens/service.js'

export type SessionCookies = ReturnType<typeof createSessionCookies>

/**
 * `session` holds the access token and `refresh` the refresh token. `device` marks a device that has
 * logged in before. `trusted` stands for the second factor on a device, and `challenge` binds a login that waits for it
 * to the browser. `asker` marks a browser that requested a message. `flash` names a message for the
 * next page. `social` holds the state of a social login in progress. The last two are of the hosts of apps
 * behind forward-auth: `gatehouse` holds the token there, and `gatehouse_login` marks a browser that logs in there.
 */
export type CookieName =
  | 'session'
  | 'refresh'
  | 'device'
  | 'trusted'
  | 'challenge'
  | 'asker'
  | 'flash'
  | 'social'
  | 'gatehouse'
  | 'gatehouse_login'

type Options = { publicUrl: string; corsOrigins: string[]; refreshTtl: number }

/**
 * Reads and writes the cookies, and detects cross-site requests. Over https every name has the prefix
 * `__Host-`: without it, another host of the domain or plain http could set the cookie (RFC 6265bis
 * §4.1.3.2). Scripts, which send no browser headers, also get `session` without the prefix.
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

  /** The cookie name that counts. Only a script without `__Host-` cookies may use `session` without prefix. */
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

  /** The Set-Cookie lines that remove the session cookies, and duplicates on other paths and domains. */
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
    /** Reads a cookie. Returns undefined if two have the name, because another host may have set one. */
    read(request: FastifyRequest, name: CookieName): string | undefined {
      const [value, another] = valuesOf(request, name)
      return another === undefined ? value : undefined
    },

    /** Whether two session cookies have the same name. Then neither counts, and both must be removed. */
    isAmbiguous,

    /** Reads a cookie `session` without prefix, which another app on this host may have set. */
    readOld(request: FastifyRequest): string | undefined {
      const [value, another] = cookieValues(request, 'session')
      return another === undefined ? value : undefined
    },

    /** Removes it, unless our own cookie has the same name and replaces it. */
    removeOld(request: FastifyRequest, reply: FastifyReply): void {
      if (!isSecure(request) || isScript(request)) return
      const lines = [...elsewhere(request, 'session'), expired('session', attributes(request))]
      addCookieLines(reply, lines)
    },

    /**
     * Reads the access or refresh token from its cookie.
     * @throws AppError `invalid_token` without one, or if the session is ambiguous. Its reply then
     *   removes the cookies.
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

    /** As `write`, and removes other cookies of this name that the request has sent. Without https there may be some. */
    replace(reply: FastifyReply, name: CookieName, value: string, lifetime: number): void {
      const { request } = reply
      if (valuesOf(request, name).length > 1)
        addCookieLines(reply, elsewhere(request, nameIn(request, name)))
      self.write(reply, name, value, lifetime)
    },

    /** Removes a cookie, and others of its name that the request has sent. */
    remove(reply: FastifyReply, name: CookieName): void {
      self.take(reply.request, reply, name)
    },

    /** Reads a cookie that is used once: the reply removes it. */
    take(request: FastifyRequest, reply: FastifyReply, name: CookieName): string | undefined {
      const sent = valuesOf(request, name)
      if (sent.length === 0) return undefined
      const counted = nameIn(request, name)
      const others = sent.length > 1 ? elsewhere(request, counted) : []
      addCookieLines(reply, [...others, expired(counted, attributes(request))])
      return self.read(request, name)
    },

    /** Sets the cookies of a token pair. */
    set(request: FastifyRequest, reply: FastifyReply, tokens: TokenPair): void {
      const { access_token, refresh_token, expires_in } = tokens
      self.write(reply, 'session', access_token, expires_in)
      self.write(reply, 'refresh', refresh_token, refreshTtl)
      if (!isSecure(request) || !isScript(request)) return
      setCookie(reply, 'session', access_token, { ...attributes(request), maxAge: expires_in })
    },

    /**
     * Sets the cookies of a new session and removes old session cookies. It also sets the device mark,
     * which stays after a logout because it is no credential.
     */
    start(request: FastifyRequest, reply: FastifyReply, tokens: TokenPair, device: string): void {
      for (const name of ['session', 'refresh'] as const) {
        if (cookieValues(request, name).length === 0) continue
        if (!isSecure(request)) addCookieLines(reply, elsewhere(request, name))
        // An old cookie without the prefix. No logout would remove it.
        else if (name === 'refresh') addCookieLines(reply, [expired(name, attributes(request))])
      }
      self.set(request, reply, tokens)
      self.setDevice(reply, device)
    },

    /** The caller of a login, with the cookies that count there. A page is for browsers only. */
    loginCaller(request: FastifyRequest, { isPage = false } = {}): Caller {
      return {
        ...callerOf(request),
        marks: {
          device: self.read(request, 'device'),
          trusted: self.read(request, 'trusted'),
          binding: self.read(request, 'challenge'),
          isBrowser: isPage || !isScript(request),
        },
      }
    },

    setDevice(reply: FastifyReply, mark: string): void {
      self.write(reply, 'device', mark, deviceMarkTtl)
    },

    readAsker(request: FastifyRequest): string | undefined {
      const value = self.read(request, 'asker') ?? ''
      return /^[A-Za-z0-9_-]{22}$/.test(value) ? value : undefined
    },

    /** Marks a browser that requests a message, for a day. Returns the mark. */
    setAsker(request: FastifyRequest, reply: FastifyReply): string {
      const value = self.readAsker(request) ?? randomBytes(16).toString('base64url')
      self.write(reply, 'asker', value, 86_400)
      return value
    },

    clear(request: FastifyRequest, reply: FastifyReply): void {
      addCookieLines(reply, clearing(request))
    },

    /** Removes session cookies that another host set for the path `target`, but not our own. */
    clearFor(target: string, request: FastifyRequest, reply: FastifyReply): void {
      if (isSecure(request)) return
      for (const name of ['session', 'refresh'])
        addCookieLines(reply, elsewhere(request, name, target))
    },

    /**
     * Whether a page of another site sent this request. With a POST, browsers send Origin or
     * Sec-Fetch-Site, which no page can set (ASVS 3.5.1, Fetch §3.2). A client that sends neither header
     * is not a browser, so CSRF does not apply. With `onlyOwn` PUBLIC_URL and CORS_ORIGINS are other sites too:
     * the host of an app is for its own pages.
     */
    isForeign(
      { headers, method, protocol, host }: FastifyRequest,
      { onlyOwn = false } = {},
    ): boolean {
      const { origin, 'sec-fetch-site': site } = headers
      if (site === 'same-origin') return false
      if (site === 'none') return method !== 'GET' // typed, or a bookmark
      if (!onlyOwn && origin !== undefined && corsOrigins.includes(origin)) return false
      if (site !== undefined) return true
      if (origin === undefined || origin === `${protocol}://${host}`) return false
      return onlyOwn || origin !== publicOrigin
    },
  }
  return self
}

/** Over https, browsers send Sec-Fetch headers with every request (Fetch Metadata §2). Scripts do not. */
function isScript({ headers }: FastifyRequest): boolean {
  if (headers.origin !== undefined) return false
  for (const name in headers) if (name.startsWith('sec-fetch-')) return false
  return true
}
