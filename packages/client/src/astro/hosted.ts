import { createHash, randomBytes } from 'node:crypto'
import { GatehouseError } from '../errors.js'
import type { Fetch } from '../send.js'
import type { Tokens } from '../tokens.js'
import type { VisitorCookies } from './cookies.js'
import { isSiteFault } from './faults.js'
import { createFlights } from './flights.js'
import { createLoginState, readLoginState } from './login-state.js'
import { nextPage } from './paths.js'
import { redirectTo, sendProblem, unavailable } from './replies.js'
import type { TokenEndpoint } from './token-endpoint.js'
import type { Context, HostedSettings } from './types.js'

type Options = {
  hosted: HostedSettings
  base: string
  /** Where browsers reach Gatehouse. */
  publicUrl: string
  issuer: string
  requestTokens: TokenEndpoint
  now: () => number
}

type Page = Pick<Context, 'url'>

const isKey = /^[\w-]{43}$/
const isProvider = /^[a-z][a-z0-9_-]{0,31}$/
// The whole request must fit into a parameter of Gatehouse's login page.
const maxPage = 500

/** A login by Gatehouse's own pages: the authorization code flow with PKCE (docs/another-host.md). */
export function createHostedLogin({ hosted, base, publicUrl, issuer, ...options }: Options) {
  const { requestTokens, now } = options
  const { clientId, loginPath, callbackPath } = hosted
  // A page that is loaded again sends its code again, and a code that is used twice ends the login.
  const share = createFlights<Tokens>(now)

  return {
    /** Sends the browser to Gatehouse, or with `?provider=` on to that provider. */
    begin({ url }: Page, cookies: VisitorCookies, isLoggedIn: boolean): Response {
      if (isLoggedIn) return redirectTo(pageAfter(url))
      const known = cookies.loginKey() ?? ''
      const key = isKey.test(known) ? known : randomBytes(32).toString('base64url')
      cookies.storeLoginKey(key)
      const nonce = randomBytes(16).toString('base64url')
      const { state, verifier } = createLoginState(key, nonce, pageAfter(url))
      const query = new URLSearchParams({
        ...{ response_type: 'code', client_id: clientId, redirect_uri: redirectUri(url), state },
        code_challenge: createHash('sha256').update(verifier).digest('base64url'),
        code_challenge_method: 'S256',
      })
      const request = `/oauth/authorize?${query.toString()}`
      const provider = url.searchParams.get('provider') ?? ''
      const path = isProvider.test(provider)
        ? `/auth/${provider}?next=${encodeURIComponent(request)}`
        : request
      return redirectTo(publicUrl.replace(/\/+$/, '') + path)
    },

    /** Exchanges the code that the browser came back with. Another browser's code is refused. */
    async finish({ url }: Page, cookies: VisitorCookies, fetch: Fetch): Promise<Response> {
      const key = cookies.loginKey() ?? ''
      const login = isKey.test(key) ? readLoginState(key, once(url, 'state')) : undefined
      // RFC 9207 §2.4.
      if (!login || once(url, 'iss') !== issuer)
        return fail('This login did not start in this browser, or it took too long.')
      const again = `${loginPath}?next=${encodeURIComponent(login.page)}`
      const code = once(url, 'code')
      if (code === '') return fail('The login did not succeed.', again)
      try {
        const { verifier: code_verifier } = login
        const form = { code, code_verifier, redirect_uri: redirectUri(url) }
        const exchange = () => requestTokens({ grant_type: 'authorization_code', ...form }, fetch)
        cookies.store(await share(`${login.verifier} ${code}`, exchange))
        return redirectTo(login.page)
      } catch (error) {
        if (!(error instanceof GatehouseError) || isSiteFault(error)) throw error
        const isOver = error.status >= 400 && error.status < 500 && error.status !== 429
        return isOver ? fail('This login has expired.', again) : unavailable()
      }
    },
  }

  function pageAfter(url: URL): string {
    const page = nextPage(url, base)
    return page.length <= maxPage ? page : base
  }

  function redirectUri({ origin }: URL): string {
    return (hosted.origin ?? origin) + callbackPath
  }

  function fail(text: string, again = loginPath): Response {
    return sendProblem(400, text, again)
  }
}

export type HostedLogin = ReturnType<typeof createHostedLogin>

/** A parameter that is there exactly once, else an empty text (RFC 6749 §3.1). */
function once({ searchParams }: URL, name: string): string {
  const [value = '', another] = searchParams.getAll(name)
  return another === undefined ? value : ''
}
