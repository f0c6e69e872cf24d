import { fastifyCookie, type SerializeOptions } from '@fastify/cookie'
import type { FastifyReply, FastifyRequest } from 'fastify'

/**
 * Every value that a request has for a name, in the order sent. Only a space or a tab is cut off a name:
 * a wider trim would read a name that browsers let anybody set as one with a prefix (RFC 6265bis §5.6).
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

/** A cookie with the same name, path and domain replaces one that this reply already sets. */
export function setCookie(
  reply: FastifyReply,
  name: string,
  value: string,
  attributes: SerializeOptions,
): void {
  addLines(reply, [fastifyCookie.serialize(name, value, attributes)])
}

/** Adds Set-Cookie lines. */
export function addLines(reply: FastifyReply, lines: string[]): void {
  if (lines.length === 0) return
  const others = [reply.getHeader('set-cookie') ?? []]
    .flat()
    .map(String)
    .filter((line) => !lines.some((other) => placeOf(other) === placeOf(line)))
  reply.removeHeader('set-cookie')
  reply.header('set-cookie', [...others, ...lines])
}

/** What a browser tells cookies apart by. */
function placeOf(line: string): string {
  const [pair = '', ...attributes] = line.split('; ')
  const places = attributes.filter((attribute) => /^(?:Path|Domain)=/.test(attribute))
  return [pair.split('=', 1)[0], ...places.sort()].join('; ')
}

/** The line that removes a cookie. */
export const expired = (name: string, attributes: SerializeOptions): string =>
  fastifyCookie.serialize(name, '', { ...attributes, expires: new Date(0), maxAge: 0 })

// A reply's header must stay below the 4 KB that proxies take.
const maxPlaces = 20
const maxDepth = 6
const isPath = /^\/[!-:<-~]{0,200}$/
const label = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?'
const isName = new RegExp(`^(?=.{1,253}$)(?=.*[a-z])(?:${label}\\.)+${label}$`)

/**
 * The lines that remove cookies of this name that another host set: with any path that leads to `target`,
 * and any domain that the host is in (RFC 6265 §5.1.3, §5.1.4).
 * @param target a path of this host, perhaps with a query
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

/** None for the host itself, and every domain above it. An address has none. */
function domainsOf(hostname: string): (string | undefined)[] {
  const host = hostname.toLowerCase()
  if (!isName.test(host)) return [undefined]
  const labels = host.split('.')
  return [undefined, ...labels.slice(0, -1).map((_label, at) => labels.slice(at).join('.'))]
}

/** The shortest first. */
function pathsTo(target: string): string[] {
  const [path = '/'] = target.split('?', 1)
  if (!isPath.test(path)) return ['/']
  const ends = [...path.matchAll(/\//g)].map(({ index }) => index).slice(1, maxDepth)
  const above = ends.flatMap((end) => [path.slice(0, end), path.slice(0, end + 1)])
  return [...new Set(['/', ...above, path])]
}
