import type { Platform } from './platform.js'
import type { Tokens } from './tokens.js'

/** What one tab tells the others of its origin. `ended`: the service ended the session. */
export type News =
  { type: 'login' | 'refresh'; tokens: Tokens } | { type: 'logout' | 'ended'; tokens?: undefined }

export type Tabs = {
  tell: (news: News) => void
  /** Runs the work while no other tab runs its own. `hasWaited`: another tab's news may be on their way. */
  inTurn: (work: (hasWaited: boolean) => Promise<void>) => Promise<void>
  close: () => void
}

/** For a client that is alone: a script, or a server. */
export const noTabs: Tabs = {
  tell: () => undefined,
  inTurn: (work) => work(false),
  close: () => undefined,
}

/**
 * The tabs of one origin that use one service. Without Web Locks two tabs may refresh at the same time,
 * which the service allows; without BroadcastChannel each tab learns of a logout by its next request.
 */
export function createTabs(
  name: string,
  { navigator, BroadcastChannel }: Platform,
  onNews: (news: News) => void,
): Tabs {
  const channel = BroadcastChannel && new BroadcastChannel(name)
  if (channel) channel.onmessage = ({ data }) => onNews(data as News)
  const locks = navigator?.locks
  return {
    tell: (news) => channel?.postMessage(news),
    inTurn(work) {
      if (!locks) return work(false)
      const asked = Date.now()
      return locks.request(name, () => work(Date.now() - asked > 2))
    },
    close: () => channel?.close(),
  }
}
