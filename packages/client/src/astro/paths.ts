import type { Context, Settings } from './types.js'

/**
 * Whether a request is for a protected page. The route that Astro found decides, and the path as sent. So an
 * odd spelling of a path, such as `//app` or `/%61pp`, opens no page.
 */
export function isProtected(
  { routePattern, url }: Pick<Context, 'routePattern' | 'url'>,
  { protect, base }: Pick<Settings, 'protect' | 'base'>,
): boolean {
  const top = plain(base)
  const paths = [
    plain(routePattern),
    ...readings(url.pathname).map((path) => withoutBase(path, top)),
  ]
  return protect.map(plain).some((folder) => paths.some((path) => isBelow(path, folder)))
}

const isBelow = (path: string, top: string) =>
  path === top || path.startsWith(top === '/' ? top : `${top}/`)

const withoutBase = (path: string, base: string) =>
  base !== '/' && isBelow(path, base) ? path.slice(base.length) || '/' : path

/**
 * The path as sent, and after each round of decoding: a path may be encoded more than once, and the site may read
 * any of these. What cannot be decoded is compared as it is.
 */
function readings(path: string): string[] {
  const found = [path]
  for (let last = path; found.length < 6;) {
    const next = decode(last)
    if (next === last) break
    found.push((last = next))
  }
  return found.map(plain)
}

/** In lower case, without dots, control characters, and repeated or closing slashes. */
function plain(path: string): string {
  // URL would drop some control characters, and then read a host.
  const clean = path
    .replaceAll(/[\0-\x1f]/g, '')
    .replaceAll(/[\\/]+/g, '/')
    .replaceAll(/[?#]/g, '_')
  const { pathname } = new URL(`http://site${clean.startsWith('/') ? clean : `/${clean}`}`)
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
