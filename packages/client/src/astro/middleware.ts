import type { Claims, Verifier } from '@gatehouse/verify'
import { createClient } from '../client.js'
import type { Fetch } from '../send.js'
import type { Tokens } from '../tokens.js'
import type { Attest } from './attest.js'
import { createCookies, type VisitorCookies } from './cookies.js'
import { createFaultLog, isSiteFault } from './faults.js'
import { createHostedLogin } from './hosted.js'
import { logins } from './logins.js'
import { isProtected } from './paths.js'
import { createRenewals } from './renewals.js'
import { misconfigured, redirectTo, unavailable, withoutCaching } from './replies.js'
import { createTokenEndpoint } from './token-endpoint.js'
import type { Context, GatehouseLocals, Settings } from './types.js'
import { createVisitorFetch } from './visitor-fetch.js'

type Options = {
  settings: Settings
  /** Where this server reaches Gatehouse. */
  url: string
  verifier: Pick<Verifier, 'verify' | 'ready' | 'isReady'>
  addressOf: (forwardedFor: string | null) => string | undefined
  /** Signs the visitor's address and browser. */
  attest?: Attest | undefined
  issuer?: string
  /** Where browsers reach Gatehouse; by default the issuer. */
  publicUrl?: string | undefined
  clientSecret?: string | undefined
  fetch?: Fetch
  now?: () => number
}

/** `problem`: whether there is a login cannot be said, and so a protected page answers. */
type Login = { claims?: Claims; tokens?: Tokens; problem?: () => Response }

/** An access token is renewed so long before it expires, in milliseconds. */
const margin = 30_000
const startTime = 2_000

/**
 * Knows the visitor of each request by the cookies, without a call to Gatehouse while the access token lives.
 * A revoked token counts no more within a second.
 */
export function createMiddleware({ settings, url, verifier, ...options }: Options) {
  const { now = Date.now, issuer = url, publicUrl = issuer } = options
  const send: Fetch = options.fetch ?? ((...request) => globalThis.fetch(...request))
  const fetchFor = createVisitorFetch({ ...options, url, send })
  const { hosted, base } = settings
  const requestTokens =
    hosted &&
    createTokenEndpoint(url, { clientId: hosted.clientId, secret: options.clientSecret }, now)
  const hostedLogin =
    requestTokens && createHostedLogin({ hosted, base, publicUrl, issuer, requestTokens, now })
  const renew = createRenewals(url, now, refreshBy)
  const logFault = createFaultLog(now)

  return async (context: Context, next: () => Promise<Response>): Promise<Response> => {
    if (context.isPrerendered) return next()
    const cookies = createCookies(context, settings, now)
    const fetch = fetchFor(context.request, cookies)
    const { claims, tokens, problem } = await findLogin(cookies, fetch)
    const gatehouse = createClient({
      ...{ url, fetch, now, cookies: false, maxWait: 2_000 },
      tokens: tokens ?? null,
      onTokens: cookies.store,
      ...refreshBy(fetch),
    })
    if (hostedLogin) {
      logins.set(context.locals, {
        begin: () => hostedLogin.begin(context, cookies, claims !== undefined),
        finish: () => hostedLogin.finish(context, cookies, fetch),
      })
    }
    Object.assign(context.locals, { user: claims, gatehouse } satisfies GatehouseLocals)
    const isOpen = claims !== undefined || !isProtected(context, settings)
    const reply = isOpen ? await next() : problem ? problem() : refuse(context)
    // The page of one visitor is not for another one.
    return cookies.hasChanged() || claims || !isOpen || isProtected(context, settings)
      ? withoutCaching(reply)
      : reply
  }

  async function findLogin(cookies: VisitorCookies, fetch: Fetch): Promise<Login> {
    const [access, refresh] = [cookies.access(), cookies.refresh()]
    const found = access === undefined ? {} : await verify(access)
    if (found.problem || (access === undefined && refresh === undefined)) return found
    const { claims } = found
    const isFresh = claims !== undefined && claims.exp * 1_000 - margin > now()
    if (isFresh || refresh === undefined) {
      if (!claims) cookies.store(undefined)
      return claims ? { claims, tokens: tokensOf(claims, access, refresh) } : {}
    }
    let tokens: Tokens | undefined
    try {
      tokens = await renew(refresh, fetch)
    } catch (error) {
      if (isSiteFault(error)) logFault(error)
      // A token that is still good serves on.
      if (claims) return { claims, tokens: tokensOf(claims, access, refresh) }
      return { problem: isSiteFault(error) ? misconfigured : unavailable }
    }
    cookies.store(tokens)
    if (!tokens) return {}
    return { ...(await verify(tokens.access_token)), tokens }
  }

  async function verify(token: string): Promise<Login> {
    if (!verifier.isReady()) await started()
    try {
      return { claims: await verifier.verify(token) }
    } catch (error) {
      return (error as { code?: string }).code === 'unavailable' ? { problem: unavailable } : {}
    }
  }

  /** The first requests wait for the keys and the revocations, but not for long. */
  async function started(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, startTime)))
    await Promise.race([verifier.ready.catch(() => undefined), late])
    clearTimeout(timer)
  }

  /** A client of Gatehouse renews with its own name, and may also renew the session of a form login. */
  function refreshBy(fetch: Fetch) {
    if (!requestTokens) return {}
    const refresh = (refresh_token: string) =>
      requestTokens({ grant_type: 'refresh_token', refresh_token }, fetch)
    return { refresh }
  }

  /** A browser goes to the login page and comes back. Anything else learns that it needs a login. */
  function refuse({ request, url: page }: Context): Response {
    if (!request.headers.get('accept')?.includes('text/html'))
      return Response.json({ status: 'error', code: 'invalid_token' }, { status: 401 })
    const back = request.method === 'GET' ? page.pathname + page.search : settings.base
    const loginPage = `${settings.base.replace(/\/+$/, '')}${settings.loginPage}`
    return redirectTo(`${loginPage}?next=${encodeURIComponent(back)}`)
  }
}

const tokensOf = (claims: Claims, access_token = '', refresh_token?: string): Tokens => ({
  access_token,
  expires_at: claims.exp * 1_000,
  ...(refresh_token !== undefined && { refresh_token }),
})
