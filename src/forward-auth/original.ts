import type { FastifyRequest } from 'fastify'
import { createNext } from '../http/next.js'
import { wantsHtml } from '../http/wants-html.js'

/**
 * Whether a page of another site must not have caused the request by the cookie: it may change
 * something, by its method or by what the proxy says its method was; or it bears an Origin, which
 * browsers add to all but plain reading: to every POST, and to the GET of a WebSocket, which no
 * other rule of theirs keeps from strangers (Fetch §3.2, RFC 6455 §10.2). What the headers of a
 * proxy say can only make it stricter.
 */
export const isForwardedChange = (request: FastifyRequest): boolean =>
  request.headers.origin !== undefined || !methodsOf(request).every((method) => reading.has(method))

const reading = new Set(['GET', 'HEAD', 'OPTIONS'])

function methodsOf({ method, headers }: FastifyRequest): string[] {
  const named = [headers['x-forwarded-method'], headers['x-original-method']].flat()
  return [method, ...named.filter((name) => name !== undefined)]
}

/**
 * Where a browser logs in and comes back to what it asked for; undefined where that cannot work. The
 * cookies are of PUBLIC_URL's host alone: who was sent from another would come back as a stranger,
 * for ever.
 */
export function createLoginUrl(publicUrl: string, corsOrigins: string[]) {
  const own = new URL(publicUrl)
  const safeNext = createNext(publicUrl, corsOrigins)

  /** @param cookies the lines that the answer needs, which nginx does not pass on */
  return function loginUrl(request: FastifyRequest, cookies: string[] = []): string | undefined {
    const isNavigation =
      request.headers.authorization === undefined &&
      !isForwardedChange(request) &&
      wantsHtml(request)
    const url = isNavigation ? originalUrl(request) : undefined
    if (url?.hostname !== own.hostname || url.protocol !== own.protocol) return undefined
    if (url.origin !== own.origin && !corsOrigins.includes(url.origin)) return undefined
    const clear = cookies.length > 0 ? '&cookies=clear' : ''
    return `${own.origin}/login?next=${encodeURIComponent(safeNext(url.href))}${clear}`
  }
}

/** What the client asked of the proxy, if a proxy that we trust says so. */
function originalUrl({ protocol, host, headers, ips = [] }: FastifyRequest): URL | undefined {
  const path = headers['x-forwarded-uri']
  const isTrusted = ips.length > 1 // the proxy, and whom it names in X-Forwarded-For
  if (!isTrusted || typeof path !== 'string' || !path.startsWith('/')) return undefined
  const url = `${protocol}://${host}${path}`
  return URL.canParse(url) ? new URL(url) : undefined
}
