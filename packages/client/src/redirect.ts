import { GatehouseError, type Code } from './errors.js'
import { platform } from './platform.js'
import { send, type Fetch } from './send.js'
import { tokensOf, type TokenReply, type Tokens } from './tokens.js'

export type RedirectOptions = {
  /** Where the service is, such as `https://auth.example.org`. */
  url: string
  /** The name of a public client. */
  clientId: string
  /** The page of the app that the service sends the browser back to, as registered for the client. */
  redirectUri: string
  /** By default the `url`. */
  issuer?: string
  fetch?: Fetch
  /** Milliseconds for the exchange of the code. */
  timeout?: number
}

/** `prompt: 'none'` shows no page: it asks whether the browser is logged in. */
export type RedirectRequest = { prompt?: 'none' | 'login'; max_age?: number; acr_values?: 'mfa' }

type Pending = { state: string; verifier: string; page: string }

/**
 * Logs in by the service's own pages: the authorization code flow with PKCE (RFC 6749 §4.1, RFC 7636). It needs
 * no cookie of another site, so the app can be on any domain. Until the browser is back, `sessionStorage` has the
 * state and the verifier.
 */
export function createRedirectLogin(options: RedirectOptions) {
  const { clientId, redirectUri, timeout = 15_000 } = options
  const base = options.url.replace(/\/+$/, '')
  const { issuer = base } = options
  const fetch: Fetch = options.fetch ?? ((...request) => globalThis.fetch(...request))
  const key = `gatehouse:${clientId}`

  return {
    /** Leaves the page for the service. */
    async start({ prompt, max_age, acr_values }: RedirectRequest = {}): Promise<void> {
      const { location, sessionStorage } = platform
      const pending: Pending = { state: random(), verifier: random(), page: location.href }
      const query = new URLSearchParams({
        response_type: 'code',
        client_id: clientId,
        redirect_uri: redirectUri,
        state: pending.state,
        code_challenge: await challengeOf(pending.verifier),
        code_challenge_method: 'S256',
        ...(prompt && { prompt }),
        ...(max_age !== undefined && { max_age: String(max_age) }),
        ...(acr_values && { acr_values }),
      })
      sessionStorage.setItem(key, JSON.stringify(pending))
      const target = `${base}/oauth/authorize?${query.toString()}`
      // Without a page of the service, "back" would come to the same redirect again.
      if (prompt === 'none') location.replace(target)
      else location.assign(target)
    },

    /**
     * The tokens, if the browser comes back with a login. `null` if it has none at the service. Undefined if it
     * comes from somewhere else. The page gets back the address from before `start`.
     * @throws GatehouseError `invalid_state` if this tab did not ask for the answer
     */
    async finish(): Promise<Tokens | null | undefined> {
      const { location, history, sessionStorage } = platform
      const answer = new URLSearchParams(location.search)
      const [state, code, error] = [answer.get('state'), answer.get('code'), answer.get('error')]
      if (state === null || (code ?? error) === null) return undefined
      const pending = JSON.parse(sessionStorage.getItem(key) ?? '{}') as Partial<Pending>
      sessionStorage.removeItem(key)
      const { verifier = '', page = '' } = state === pending.state ? pending : {}
      history.replaceState(null, '', page || location.pathname)
      // RFC 9207: the answer of another service could be meant to steal the code.
      if (!verifier || answer.get('iss') !== issuer)
        throw new GatehouseError('invalid_state', 'This login was not started in this tab')
      if (error === 'login_required') return null
      if (error !== null)
        throw new GatehouseError(error as Code, answer.get('error_description') ?? error)
      return exchange(String(code), verifier)
    },
  }

  /** A code is valid once, so the exchange is not repeated. */
  async function exchange(code: string, code_verifier: string): Promise<Tokens> {
    const body = new URLSearchParams({
      ...{ grant_type: 'authorization_code', client_id: clientId, redirect_uri: redirectUri },
      ...{ code, code_verifier },
    })
    const response = await send(
      `${base}/oauth/token`,
      { method: 'POST', body, credentials: 'omit' },
      { fetch, timeout, isRepeatable: false, maxWait: 0, pause: () => Promise.resolve() },
    )
    return tokensOf((await response.json()) as TokenReply, Date.now())
  }
}

const random = () => base64Url(crypto.getRandomValues(new Uint8Array(32)))

const challengeOf = async (verifier: string) =>
  base64Url(
    new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))),
  )

const base64Url = (bytes: Uint8Array) =>
  btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
