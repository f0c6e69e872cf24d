/**
 * Where to go after a login: a path of ours, or a page on one of the origins that the configuration
 * names. Anything else is the home page: no stranger sends people on from here (RFC 9700 §4.11).
 */
export function createNext(publicUrl: string, allowedOrigins: string[]) {
  const own = new URL(publicUrl).origin

  return function safeNext(next: string | undefined): string {
    // What a browser would read in another way than we do.
    if (!next || next.length > 2_000 || /[\\\s\p{Cc}]/u.test(next) || !URL.canParse(next, own)) {
      return '/'
    }
    const url = new URL(next, own)
    // `blob:https://…` has the origin that is inside it.
    if (!/^https?:$/.test(url.protocol) || url.username || url.password) return '/'
    if (url.origin === own) return `${url.pathname.replace(/^\/+/, '/')}${url.search}${url.hash}`
    return allowedOrigins.includes(url.origin) ? url.href : '/'
  }
}

export type SafeNext = ReturnType<typeof createNext>
