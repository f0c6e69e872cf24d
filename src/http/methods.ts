import type { FastifyInstance, FastifyRequest, onSendHookHandler, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import FindMyWay from 'find-my-way'
import { AppError } from '../errors.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Set on the HEAD route that belongs to a GET route. */
    isHeadOfGet?: boolean
  }
}

/**
 * Whether the request must change nothing, neither in the database nor in cookies: HEAD for a GET route. On
 * `/forward-auth` HEAD is the method that a proxy asks about, so this is false.
 */
export const changesNothing = ({ routeOptions }: FastifyRequest): boolean =>
  routeOptions.config.isHeadOfGet === true

type Path = { scope: FastifyInstance; methods: Set<string> }
type Finder = ReturnType<typeof finderOf>

/**
 * HEAD for every GET route, `Allow`, and 405 for another method on a known path. A GET route that changes
 * something has `exposeHeadRoute: false`: HEAD must be safe (RFC 9110 §9.2.1), so it gets 405.
 */
export const methods = fp(
  async (app) => {
    const paths = new Map<string, Path>()
    // Made when first needed, so a start is short.
    let finder: Finder | undefined
    let overlapping: Set<string> | undefined

    app.addHook('onRoute', function (route) {
      if (route.url === '*') return // the CORS plugin registers it for preflight requests
      for (const method of [route.method].flat()) addMethod(this, route.url, method)
      if (route.method === 'GET' && route.exposeHeadRoute !== false) this.route(headOf(route))
    })

    // Before the body is read and the token is checked, so that a 405 costs nothing and depends on the path alone.
    app.addHook('preParsing', (request, reply, _payload, done) => {
      const { method, routeOptions } = request
      const { url = '*' } = routeOptions
      const path = url === '*' || overlaps(url) ? findPath(request.raw.url ?? '') : undefined
      if (!path || path.methods.has(method)) {
        done()
        return
      }
      const allow = [...new Set([...path.methods, 'OPTIONS'])].sort().join(', ')
      if (method === 'OPTIONS') reply.code(204).header('allow', allow).send()
      else {
        const error = new AppError('method_not_allowed', { headers: { allow } })
        path.scope.errorHandler(error, request, reply) // in the form of the path's other errors
      }
    })

    function addMethod(scope: FastifyInstance, url: string, method: string): void {
      const path = paths.get(url)
      if (path) path.methods.add(method)
      else paths.set(url, { scope, methods: new Set([method]) })
    }

    const overlaps = (url: string) =>
      url.includes(':') && (overlapping ??= overlapsOf([...paths.keys()])).has(url)

    const findPath = (target: string) =>
      (finder ??= finderOf(paths)).find('GET', target)?.store as Path | undefined
  },
  { name: 'methods' },
)

function finderOf(paths: Map<string, Path>) {
  const finder = FindMyWay({ maxParamLength: 256 })
  for (const [url, path] of paths) finder.on('GET', url, () => undefined, path)
  return finder
}

/**
 * The patterns that match a path with a route of its own: `/user/:uuid` matches `/user/logout`. Fastify
 * would send a method that `/user/logout` does not have to `/user/:uuid`.
 */
function overlapsOf(urls: string[]): Set<string> {
  const fixed = urls.filter((url) => !url.includes(':'))
  const patterns = urls.filter((url) => url.includes(':'))
  return new Set(
    patterns.filter((pattern) => {
      const matcher = new RegExp(`^${pattern.replaceAll(/:\w+/g, '[^/]+')}$`)
      return fixed.some((url) => matcher.test(url))
    }),
  )
}

/** The HEAD route of a GET route: the same handler and headers, without the body. */
function headOf(route: RouteOptions & { routePath: string }): RouteOptions {
  const { routePath: url, config, onSend = [] } = route
  return {
    ...route,
    url,
    method: 'HEAD',
    config: { ...config, isHeadOfGet: true },
    onSend: [onSend, withoutBody].flat(),
  }
}

/** RFC 9110 §8.6: the length that the reply to GET would have; a 304 has it only if it is known. */
const withoutBody: onSendHookHandler = (_request, reply, payload, done) => {
  const { statusCode } = reply
  if (statusCode !== 204 && statusCode !== 304) {
    reply.header('content-length', Buffer.byteLength((payload ?? '') as string | Buffer))
  }
  reply.removeHeader('set-cookie')
  done(null, null)
}
