import { createClient, type ClientOptions } from '../client.js'
import { GatehouseError } from '../errors.js'
import type { Fetch } from '../send.js'
import type { Tokens } from '../tokens.js'
import { createFlights } from './flights.js'

/** Renews sessions: one refresh for all requests of a visitor that come at the same time. */
export function createRenewals(
  url: string,
  now: () => number,
  refreshBy: (fetch: Fetch) => Pick<ClientOptions, 'refresh'>,
) {
  const share = createFlights<Tokens | undefined>(now)

  /** The next tokens, or undefined if the session has ended. @throws GatehouseError without an answer */
  return (refreshToken: string, fetch: Fetch) =>
    share(refreshToken, () => refresh(refreshToken, fetch))

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
