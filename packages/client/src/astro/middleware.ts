import type { Claims, Verifier } from '@gatehouse/verify'
import { createClient } from '../client.js'
import type { Fetch } from '../send.js'
import type { Tokens } from '../tokens.js'
import type { Attest } from './attest.js'
import { createCookies, markIn, markNames, type VisitorCookies } from './cookies.js'
import { isProtected } from './paths.js'
import { createRenewals } from './renewals.js'
import type { Context, GatehouseLocals, Settings } from './types.js'

type Options = {
  settings: Settings
  /** Where this server reaches Gatehouse. */
  url: string
  verifier: Pick<Verifier, 'verify' | 'ready' | 'isReady'>
  addressOf: (forwardedFor: string | null) => string | undefined
  /** Signs the visitor's address and browser. */
  attest?: Attest | undefined
  fetch?: Fetch
  now?: () => number
}

type Login = { claims?: Claims; tokens?: Tokens; isUnknown?: boolean }

/** An access token is renewed so long before it expires, in milliseconds. */
const margin = 30_000
const startTime = 2_000

/**
 * Knows the visitor of each request by the cookies, without a call to Gatehouse while the access token lives.
 * A revoked token counts no more within a second.
 */
export function createMiddleware({
  settings,
  url,
  verifier,
  addressOf,
  attest,
  ...options
}: Options) {
  const { now = Date.now } = options
  const send: Fetch = options.fetch ?? ((...request) => globalThis.fetch(...request))
  const base = `${url.replace(/\/+$/, '')}/`
  const renew = createRenewals(url, now)

  return async (context: Context, next: () => Promise<Response>): Promise<Response> => {
    if (context.isPrerendered) return next()
    const cookies = createCookies(context, settings.isSecure, now)
    const fetch = createFetch(context.request, cookies)
    const { claims, tokens, isUnknown = false } = await findLogin(cookies, fetch)
    const gatehouse = createClient({
      ...{ url, fetch, now, cookies: false, maxWait: 2_000 },
      tokens: tokens ?? null,
      onTokens: cookies.store,
    })
    Object.assign(context.locals, { user: claims, gatehouse } satisfies GatehouseLocals)
    const isOpen = claims !== undefined || !isProtected(context, settings)
    const reply = isOpen ? await next() : isUnknown ? unavailable() : refuse(context)
    // The page of one visitor is not for another one.
    return cookies.hasChanged() || claims || !isOpen || isProtected(context, settings)
      ? withoutCaching(reply)
      : reply
  }

  async function findLogin(cookies: VisitorCookies, fetch: Fetch): Promise<Login> {
    const [access, refresh] = [cookies.access(), cookies.refresh()]
    const found = access === undefined ? {} : await verify(access)
    if (found.isUnknown || (access === undefined && refresh === undefined)) return found
    const { claims } = found
    const isFresh = claims !== undefined && claims.exp * 1_000 - margin > now()
    if (isFresh || refresh === undefined) {
      if (!claims) cookies.store(undefined)
      return claims ? { claims, tokens: tokensOf(claims, access, refresh) } : {}
    }
    const tokens = await renew(refresh, fetch).catch(() => 'unknown' as const)
    // Gatehouse does not answer: a token that is still good serves on.
    if (tokens === 'unknown')
      return claims ? { claims, tokens: tokensOf(claims, access, refresh) } : { isUnknown: true }
    cookies.store(tokens)
    if (!tokens) return {}
    return { ...(await verify(tokens.access_token)), tokens }
  }

  async function verify(token: string): Promise<Login> {
    if (!verifier.isReady()) await started()
    try {
      return { claims: await verifier.verify(token) }
    } catch (error) {
      return (error as { code?: string }).code === 'unavailable' ? { isUnknown: true } : {}
    }
  }

  /** The first requests wait for the keys and the revocations, but not for long. */
  async function started(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, startTime)))
    await Promise.race([verifier.ready.catch(() => undefined), late])
    clearTimeout(timer)
  }

  /**
   * Requests to Gatehouse name the visitor's address and browser, and pass on the marks of the device and of a
   * challenge. Requests to other services do not: they must not learn the marks, nor set them.
   */
  function createFetch({ headers: visitor }: Request, cookies: VisitorCookies): Fetch {
    const address = addressOf(visitor.get('x-forwarded-for'))
    return async (target, init) => {
      if (!isBelowUrl(target)) return send(target, init)
      const headers = new Headers(init.headers)
      const marks = markNames.flatMap((name) => {
        const mark = cookies.mark(name)
        return mark === undefined ? [] : [`${name}=${mark}`, `__Host-${name}=${mark}`]
      })
      if (address !== undefined) headers.set('x-forwarded-for', address)
      headers.set('user-agent', visitor.get('user-agent') ?? 'unknown')
      if (marks.length > 0) headers.set('cookie', marks.join('; '))
      if (address !== undefined) attest?.({ target, init, headers, address })
      const response = await send(target, { ...init, headers, redirect: 'error' })
      for (const name of markNames) {
        const mark = markIn(response.headers, name)
        if (mark !== undefined) cookies.storeMark(name, mark)
      }
      return response
    }
  }

  /** The parsed target counts, so that dots in a path do not lead out. */
  function isBelowUrl(target: string): boolean {
    return URL.canParse(target) && new URL(target).href.startsWith(new URL(base).href)
  }

  /** A browser goes to the login page and comes back. Anything else learns that it needs a login. */
  function refuse({ request, url: page }: Context): Response {
    if (!request.headers.get('accept')?.includes('text/html'))
      return Response.json({ status: 'error', code: 'invalid_token' }, { status: 401 })
    const back = request.method === 'GET' ? page.pathname + page.search : settings.base
    const location = `${settings.base.replace(/\/+$/, '')}${settings.loginPage}`
    const headers = { location: `${location}?next=${encodeURIComponent(back)}` }
    return new Response(null, { status: 303, headers })
  }
}

const tokensOf = (claims: Claims, access_token = '', refresh_token?: string): Tokens => ({
  access_token,
  expires_at: claims.exp * 1_000,
  ...(refresh_token !== undefined && { refresh_token }),
})

const unavailable = () =>
  new Response('Please try again in a moment.', { status: 503, headers: { 'retry-after': '2' } })

/** The headers of some replies cannot be changed. */
function withoutCaching(reply: Response): Response {
  try {
    reply.headers.set('cache-control', 'private, no-store')
    return reply
  } catch {
    const copy = new Response(reply.body, reply)
    copy.headers.set('cache-control', 'private, no-store')
    return copy
  }
}
