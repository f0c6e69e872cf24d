import { createClient, type ClientOptions } from '../client.js'
import { GatehouseError } from '../errors.js'
import type { Fetch } from '../send.js'
import type { Tokens } from '../tokens.js'

/** How long an outcome answers later requests with the same refresh token, in milliseconds. */
const kept = 5_000
const maxKept = 10_000

/** Renews sessions: one refresh for all requests of a visitor that come at the same time. */
export function createRenewals(
  url: string,
  now: () => number,
  refreshBy: (fetch: Fetch) => Pick<ClientOptions, 'refresh'>,
) {
  const flights = new Map<string, { until: number; tokens: Promise<Tokens | undefined> }>()

  /** The next tokens, or undefined if the session has ended. @throws GatehouseError without an answer */
  return function renew(refreshToken: string, fetch: Fetch): Promise<Tokens | undefined> {
    const known = flights.get(refreshToken)
    if (known && now() < known.until) return known.tokens
    for (const [token, { until }] of flights) {
      if (flights.size < maxKept && now() < until) break
      flights.delete(token)
    }
    const tokens = refresh(refreshToken, fetch)
    flights.set(refreshToken, { until: now() + kept, tokens })
    tokens.catch(() => flights.delete(refreshToken))
    return tokens
  }

  async function refresh(refresh_token: string, fetch: Fetch): Promise<Tokens | undefined> {
    let renewed: Tokens | undefined
    const client = createClient({
      ...{ url, fetch, now, cookies: false, timeout: 5_000, maxWait: 2_000 },
      tokens: { access_token: '', expires_at: 0, refresh_token },
      onTokens: (tokens) => (renewed = tokens),
      ...refreshBy(fetch),
    })
    await client.accessToken().catch((error: unknown) => {
      if (!(error instanceof GatehouseError && error.status === 401)) throw error
    })
    return renewed
  }
}
