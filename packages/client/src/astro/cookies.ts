import type { Tokens } from '../tokens.js'
import type { Context, CookieAttributes } from './types.js'

const deviceLifetime = 31_536_000

/**
 * The cookies of a visitor. They have the names of Gatehouse's own, so that both may share a host. Over https
 * no other host can set them (RFC 6265bis §4.1.3.2).
 */
export function createCookies({ cookies, url }: Context, isSecureSite: boolean, now: () => number) {
  const secure = isSecureSite || url.protocol === 'https:'
  const attributes: CookieAttributes = { path: '/', httpOnly: true, sameSite: 'lax', secure }
  const nameOf = (name: string) => (secure ? `__Host-${name}` : name)
  const read = (name: string) => cookies.get(nameOf(name))?.value
  const write = (name: string, value: string, lifetime: number) => {
    hasChanged = true
    cookies.set(nameOf(name), value, { ...attributes, maxAge: Math.max(1, Math.floor(lifetime)) })
  }
  let hasChanged = false

  return {
    access: () => read('session'),
    refresh: () => read('refresh'),
    device: () => read('device'),

    /** Whether the reply sets a cookie, so that no cache may keep it. */
    hasChanged: () => hasChanged,

    store(tokens: Tokens | undefined): void {
      if (!tokens) {
        hasChanged = true
        for (const name of ['session', 'refresh']) cookies.delete(nameOf(name), attributes)
        return
      }
      const { access_token, expires_at, refresh_token, refresh_expires_at = expires_at } = tokens
      write('session', access_token, (expires_at - now()) / 1_000)
      if (refresh_token !== undefined)
        write('refresh', refresh_token, (refresh_expires_at - now()) / 1_000)
    },

    storeDevice: (mark: string) => write('device', mark, deviceLifetime),
  }
}

export type VisitorCookies = ReturnType<typeof createCookies>

/** The mark of a known device in the Set-Cookie lines of Gatehouse. */
export function deviceIn(headers: Headers): string | undefined {
  for (const line of headers.getSetCookie()) {
    const mark = /^(?:__Host-)?device=([\w.~-]{1,512})(?:;|$)/.exec(line)?.[1]
    if (mark !== undefined) return mark
  }
  return undefined
}
