import type { FastifyRequest } from 'fastify'
import { secondFactorAcr } from '../features/authorization/request.js'
import { createSafeNext } from '../http/next.js'
import type { AppHosts } from './hosts.js'
import { wantsHtml } from '../http/accept.js'

/**
 * Whether the request needs the cross-site check when it is authenticated by cookie: its method is not safe,
 * or it has an Origin header. Browsers send Origin with every POST and with the GET that opens a
 * WebSocket, which the same-origin policy does not protect (Fetch §3.2, RFC 6455 §10.2). The proxy's method
 * header is checked in addition to the real method, so a forged header can only make the check stricter.
 */
export const isForwardedChange = (request: FastifyRequest): boolean =>
  request.headers.origin !== undefined ||
  !methodsOf(request).every((method) => safeMethods.has(method))

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS'])

function methodsOf({ method, headers }: FastifyRequest): string[] {
  const named = [headers['x-forwarded-method'], headers['x-original-method']].flat()
  return [method, ...named.filter((name) => name !== undefined)]
}

/** Whether the proxy asks for a login with a second factor. */
const needsFactor = ({ routeOptions: { url } }: FastifyRequest): boolean =>
  url?.startsWith('/forward-auth/mfa') ?? false

/**
 * Returns functions that build the URL of the login page, with the requested page as `next`. They return
 * undefined unless a browser asks for a page on the host of PUBLIC_URL; another port must be in CORS_ORIGINS.
 * On another host the cookies are missing, so the user would go round between the page and the login. A host of
 * FORWARD_AUTH_HOSTS has cookies and a login of its own.
 */
export function createLoginUrls(publicUrl: string, corsOrigins: string[], hosts: AppHosts) {
  const own = new URL(publicUrl)
  const safeNext = createSafeNext(publicUrl, corsOrigins)

  /** The page that the browser asks for on the host of an app, and that host if it is one. */
  function findPage(request: FastifyRequest): { url: URL; host: string | undefined } | undefined {
    const isNavigation =
      request.headers.authorization === undefined &&
      !isForwardedChange(request) &&
      wantsHtml(request)
    const url = isNavigation ? originalUrl(request) : undefined
    return url && { url, host: hosts.find(request) }
  }

  function hostLoginUrl(host: string, { href }: URL, request: FastifyRequest): string {
    const origin = hosts.originOf(host)
    const next = createSafeNext(origin, [])(href)
    const factor = needsFactor(request) ? `&acr_values=${secondFactorAcr}` : ''
    return `${origin}/forward-auth/login?next=${encodeURIComponent(next)}${factor}`
  }

  /** @param cookies Set-Cookie lines of the error; nginx drops them, so the login page clears these cookies */
  function loginUrl(request: FastifyRequest, cookies: string[] = []): string | undefined {
    const page = findPage(request)
    if (!page) return undefined
    const { url, host } = page
    if (host !== undefined) return hostLoginUrl(host, url, request)
    if (url.hostname !== own.hostname || url.protocol !== own.protocol) return undefined
    if (url.origin !== own.origin && !corsOrigins.includes(url.origin)) return undefined
    const clear = cookies.length > 0 ? '&cookies=clear' : ''
    return `${own.origin}/login?next=${encodeURIComponent(safeNext(url.href))}${clear}`
  }

  /** The same for a user whose login has no second factor. Undefined except on a host of FORWARD_AUTH_HOSTS. */
  function factorUrl(request: FastifyRequest): string | undefined {
    const { url, host } = findPage(request) ?? {}
    return url && host !== undefined ? hostLoginUrl(host, url, request) : undefined
  }

  return { loginUrl, factorUrl }
}

/** The URL that the client requested from the proxy; undefined unless a trusted proxy sent the headers. */
function originalUrl({ protocol, host, headers, ips = [] }: FastifyRequest): URL | undefined {
  const path = headers['x-forwarded-uri']
  const isTrusted = ips.length > 1 // the address of the proxy, and that of the client from X-Forwarded-For
  if (!isTrusted || typeof path !== 'string' || !path.startsWith('/')) return undefined
  const url = `${protocol}://${host}${path}`
  return URL.canParse(url) ? new URL(url) : undefined
}
