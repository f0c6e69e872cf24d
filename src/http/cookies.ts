import { fastifyCookie, type SerializeOptions } from '@fastify/cookie'
import type { FastifyReply, FastifyRequest } from 'fastify'

/**
 * Every value of the cookies with this name, in the order sent. Only spaces and tabs around the name are
 * removed. A wider trim would turn a name that any site can set into one with the `__Host-` prefix
 * (RFC 6265bis §5.6).
 */
export function cookieValues({ headers }: FastifyRequest, name: string): string[] {
  const { cookie: header } = headers
  if (header === undefined || !header.includes(name)) return []
  return header.split(';').flatMap((pair) => {
    const [key = ''] = pair.split('=', 1)
    if (key.length === pair.length || key.replace(/^[ \t]+|[ \t]+$/g, '') !== name) return []
    return fastifyCookie.parse(pair)[name] ?? []
  })
}

/** Sets a cookie. It replaces a cookie of this reply with the same name, path and domain. */
export function setCookie(
  reply: FastifyReply,
  name: string,
  value: string,
  attributes: SerializeOptions,
): void {
  addCookieLines(reply, [fastifyCookie.serialize(name, value, attributes)])
}

/** Adds Set-Cookie lines. Each replaces an earlier line with the same name, path and domain. */
export function addCookieLines(reply: FastifyReply, lines: string[]): void {
  if (lines.length === 0) return
  const others = [reply.getHeader('set-cookie') ?? []]
    .flat()
    .map(String)
    .filter((line) => !lines.some((other) => cookieKeyOf(other) === cookieKeyOf(line)))
  reply.removeHeader('set-cookie')
  reply.header('set-cookie', [...others, ...lines])
}

/** Name, path and domain: a browser replaces a cookie if all three are equal. */
function cookieKeyOf(line: string): string {
  const [pair = '', ...attributes] = line.split('; ')
  const places = attributes.filter((attribute) => /^(?:Path|Domain)=/.test(attribute))
  return [pair.split('=', 1)[0], ...places.sort()].join('; ')
}

/** The Set-Cookie line that removes a cookie. */
export const expired = (name: string, attributes: SerializeOptions): string =>
  fastifyCookie.serialize(name, '', { ...attributes, expires: new Date(0), maxAge: 0 })

// The headers of a reply must stay below 4 KB, the limit of many proxies.
const maxPlaces = 20
const maxDepth = 6
const isPath = /^\/[!-:<-~]{0,200}$/
const label = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?'
const isName = new RegExp(`^(?=.{1,253}$)(?=.*[a-z])(?:${label}\\.)+${label}$`)

/**
 * The Set-Cookie lines that remove cookies of this name that another host has set. A browser sends such a
 * cookie if its path is a prefix of `target` and its domain is this host or a parent of it (RFC 6265
 * §5.1.3, §5.1.4). There is a line for each such pair of path and domain; those beyond 20 are left out.
 * @param target a path of this host, with or without a query
 */
export function expiredElsewhere(hostname: string, name: string, target: string): string[] {
  const domains = domainsOf(hostname)
  return pathsTo(target)
    .flatMap((path) => domains.map((domain) => ({ path, domain })))
    .filter(({ path, domain }) => path !== '/' || domain !== undefined)
    .slice(0, maxPlaces)
    .map(({ path, domain }) =>
      fastifyCookie.serialize(name, '', {
        maxAge: 0,
        path,
        ...(domain !== undefined && { domain }),
      }),
    )
}

/** `undefined` (a cookie of this host alone) and every parent domain. An IP address has no parents. */
function domainsOf(hostname: string): (string | undefined)[] {
  const host = hostname.toLowerCase()
  if (!isName.test(host)) return [undefined]
  const labels = host.split('.')
  return [undefined, ...labels.slice(0, -1).map((_label, at) => labels.slice(at).join('.'))]
}

/** Every path prefix of `target`, with and without a closing slash, the shortest first. */
function pathsTo(target: string): string[] {
  const [path = '/'] = target.split('?', 1)
  if (!isPath.test(path)) return ['/']
  const ends = [...path.matchAll(/\//g)].map(({ index }) => index).slice(1, maxDepth)
  const above = ends.flatMap((end) => [path.slice(0, end), path.slice(0, end + 1)])
  return [...new Set(['/', ...above, path])]
}
