import type { Context, Settings } from './types.js'

/**
 * Whether a request is for a protected page. The route that Astro found decides, and the path as sent. So an
 * odd spelling of a path, such as `//app` or `/%61pp`, opens no page.
 */
export function isProtected(
  { routePattern, url }: Pick<Context, 'routePattern' | 'url'>,
  { protect, base }: Pick<Settings, 'protect' | 'base'>,
): boolean {
  const paths = [routePattern, withoutBase(plain(url.pathname), plain(base))].map(plain)
  return protect.map(plain).some((top) => paths.some((path) => isBelow(path, top)))
}

const isBelow = (path: string, top: string) =>
  path === top || path.startsWith(top === '/' ? top : `${top}/`)

const withoutBase = (path: string, base: string) =>
  base !== '/' && isBelow(path, base) ? path.slice(base.length) || '/' : path

/** Decoded, in lower case, without repeated or closing slashes. */
function plain(path: string): string {
  let decoded = path
  // A path may be encoded more than once. What cannot be decoded is compared as it is.
  for (let round = 0; round < 5; round += 1) {
    const next = decode(decoded)
    if (next === decoded) break
    decoded = next
  }
  const { pathname } = new URL(decoded.replaceAll(/[\\/]+/g, '/'), 'http://site')
  return pathname.toLowerCase().replace(/(.)\/+$/, '$1')
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

/** The page to go to after a login: `?next=` if it is a path of this site, else `fallback`. */
export function nextPage(url: URL, fallback = '/'): string {
  const next = url.searchParams.get('next')
  if (next === null || !/^\/(?![\\/])[\x21-\x7e]*$/.test(next)) return fallback
  return new URL(next, url).origin === url.origin ? next : fallback
}
