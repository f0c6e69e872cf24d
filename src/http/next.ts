const maxLength = 2_000

/**
 * Returns a function that checks the target of a redirect after login: a path of this service, or a page on
 * an allowed origin. Any other target becomes `/`, so this service is no open redirector (RFC 9700 §4.11).
 */
export function createSafeNext(publicUrl: string, allowedOrigins: string[]) {
  const own = new URL(publicUrl).origin

  return function safeNext(next: string | undefined): string {
    // Browsers ignore or rewrite these characters, so they would open another URL than the one checked.
    if (!next || next.length > maxLength || /[\\\s\p{Cc}]/u.test(next)) return '/'
    if (!URL.canParse(next, own)) return '/'
    const url = new URL(next, own)
    // The origin of `blob:https://…` is the origin of the inner URL.
    if (!/^https?:$/.test(url.protocol) || url.username || url.password) return '/'
    if (url.origin !== own && !allowedOrigins.includes(url.origin)) return '/'
    const path = `${url.pathname.replace(/^\/+/, '/')}${url.search}${url.hash}`
    const target = url.origin === own ? path : url.href
    // Percent-encoding makes the target longer. A page hands it on as `next`, which is checked again.
    return target.length > maxLength ? '/' : target
  }
}

export type SafeNext = ReturnType<typeof createSafeNext>
