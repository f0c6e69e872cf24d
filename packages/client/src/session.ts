import { GatehouseError, loggedOut } from './errors.js'
import type { News, Tabs } from './tabs.js'
import type { Tokens } from './tokens.js'

type Options = {
  /** The tokens of a session that began before; `null`: there is none. Left out: only a refresh tells. */
  tokens: Tokens | null | undefined
  refresh: (tokens: Tokens | undefined) => Promise<Tokens>
  connect: (onNews: (news: News) => void) => Tabs
  onNews: (news: News) => void
  now: () => number
}

/** An access token is renewed so long before it expires, in milliseconds. */
const margin = 10_000

/** How long the news of another tab may take to arrive after its turn is over, in milliseconds. */
const delivery = 30

/** The tokens of one session, in memory, renewed by one refresh however many callers need it. */
export function createSession({ tokens, refresh, connect, onNews, now }: Options) {
  let current = tokens ?? undefined
  let isOut = tokens === null
  // Counts logins and logouts, so that the answer of a refresh that began before one is dropped.
  let changes = 0
  let flight: Promise<void> | undefined
  const tabs = connect(accept)
  // The tabs of a browser have one session: that of the last login.
  if (tokens) tabs.tell({ type: 'login', tokens })

  return {
    /** Sets the outcome of a login, a logout or a refresh here, and tells the other tabs. */
    change(news: News): void {
      accept(news)
      tabs.tell(news)
    },

    /**
     * The access token. It is renewed first if it has expired, or if it is the one that was rejected.
     * @throws GatehouseError `invalid_token` if there is no session
     */
    async accessToken(rejected?: string): Promise<string> {
      if (isOut) throw loggedOut()
      if (!isUsable(rejected)) {
        flight ??= tabs
          .inTurn((hasWaited) => renew(rejected, hasWaited))
          .finally(() => (flight = undefined))
        await flight
      }
      if (!current) throw loggedOut()
      return current.access_token
    },

    close: tabs.close,
  }

  function accept(news: News): void {
    if (news.type !== 'refresh') changes += 1
    current = news.tokens
    isOut = !news.tokens
    onNews(news)
  }

  function isUsable(rejected: string | undefined): boolean {
    return (
      current !== undefined &&
      current.access_token !== rejected &&
      now() < current.expires_at - margin
    )
  }

  /** Another tab may have renewed the tokens, or ended the session, while this one waited for its turn. */
  async function renew(rejected: string | undefined, hasWaited: boolean): Promise<void> {
    if (hasWaited && !isOut && !isUsable(rejected)) {
      await new Promise((resolve) => setTimeout(resolve, delivery))
    }
    if (isOut || isUsable(rejected)) return
    const before = changes
    const news = await refresh(current).then(
      (tokens): News => ({ type: 'refresh', tokens }),
      (error: unknown): News => {
        if (!(error instanceof GatehouseError && error.status === 401)) throw error
        return { type: 'ended' }
      },
    )
    if (changes !== before) return
    accept(news)
    tabs.tell(news)
  }
}
