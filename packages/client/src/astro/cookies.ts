import type { Tokens } from '../tokens.js'
import type { Context, CookieAttributes, Settings } from './types.js'

/** In seconds. `challenge` binds a login that waits for its second factor to this browser. */
const lifetimes = { device: 31_536_000, challenge: 300 }

export type MarkName = keyof typeof lifetimes
// Browsers keep no longer cookies (RFC 6265bis §5.6). Refresh tokens are kept in memory for some seconds.
const maxLength = 4_096
const isMark = /^[\w.~-]{1,512}$/
/** In seconds: how long a visitor may be at Gatehouse's pages. */
const loginLifetime = 3_600

/**
 * The cookies of a visitor. They have the names of Gatehouse's own, so that both may share a host. A site that is a
 * client of Gatehouse has sessions of its own, so it has names of its own. Over https no other host can set
 * them (RFC 6265bis §4.1.3.2).
 */
export function createCookies(
  { cookies, url }: Pick<Context, 'cookies' | 'url'>,
  { isSecure, hosted }: Pick<Settings, 'isSecure' | 'hosted'>,
  now: () => number,
) {
  const secure = isSecure || url.protocol === 'https:'
  const own = hosted ? `${hosted.clientId}_` : ''
  const [session, refresh, login] = [`${own}session`, `${own}refresh`, `${own}login`]
  const attributes: CookieAttributes = { path: '/', httpOnly: true, sameSite: 'lax', secure }
  const nameOf = (name: string) => (secure ? `__Host-${name}` : name)
  const read = (name: string) => {
    const value = cookies.get(nameOf(name))?.value
    return value !== undefined && value.length <= maxLength ? value : undefined
  }
  const write = (name: string, value: string, lifetime: number) => {
    hasChanged = true
    cookies.set(nameOf(name), value, { ...attributes, maxAge: Math.max(1, Math.floor(lifetime)) })
  }
  let hasChanged = false

  return {
    access: () => read(session),
    refresh: () => read(refresh),

    /** The key of the logins that this browser has begun at Gatehouse's pages. */
    loginKey: () => read(login),
    storeLoginKey: (key: string) => write(login, key, loginLifetime),

    /** Undefined unless it is a mark: it goes into the Cookie header of a request. */
    mark(name: MarkName): string | undefined {
      const mark = read(name)
      return mark !== undefined && isMark.test(mark) ? mark : undefined
    },

    /** Whether the reply sets a cookie, so that no cache may keep it. */
    hasChanged: () => hasChanged,

    store(tokens: Tokens | undefined): void {
      if (!tokens) {
        hasChanged = true
        for (const name of [session, refresh]) cookies.delete(nameOf(name), attributes)
        return
      }
      const { access_token, expires_at, refresh_token, refresh_expires_at = expires_at } = tokens
      write(session, access_token, (expires_at - now()) / 1_000)
      if (refresh_token !== undefined)
        write(refresh, refresh_token, (refresh_expires_at - now()) / 1_000)
    },

    storeMark: (name: MarkName, mark: string) => write(name, mark, lifetimes[name]),
  }
}

export type VisitorCookies = ReturnType<typeof createCookies>

export const markNames = Object.keys(lifetimes) as MarkName[]

/** The mark of that name in the Set-Cookie lines of Gatehouse. */
export function markIn(headers: Headers, name: MarkName): string | undefined {
  const pattern = new RegExp(`^(?:__Host-)?${name}=([^;]*)`)
  for (const line of headers.getSetCookie()) {
    const mark = pattern.exec(line)?.[1]
    if (mark !== undefined && isMark.test(mark)) return mark
  }
  return undefined
}
