import { subscribe } from 'node:diagnostics_channel'
import type { FastifyInstance, RouteOptions } from 'fastify'

/** As much of JSON Schema as bodies use. */
export type BodySchema = {
  type?: string | string[]
  anyOf?: BodySchema[]
  properties?: Record<string, BodySchema>
  required?: string[]
  minProperties?: number
  maxLength?: number
  pattern?: string
}

export type Route = {
  method: string
  /** As it was registered, with `:name` for a parameter. */
  url: string
  /** What a client may ask for: a parameter is a UUID. */
  path: string
  /**
   * In what it is asked and answers: our JSON, a page behind a link, another page for people, the
   * words of an older system, those of OAuth, or a multipart form.
   */
  speaks: 'json' | 'link' | 'page' | 'dialect' | 'oauth' | 'multipart'
  /** Whether its path answers every method; GET and POST stand for them all. */
  isForAny: boolean
  /** Fastify reads bodies of these methods; it leaves those of GET alone, and those that are for another app. */
  readsBody: boolean
  /** The object that a body must be, if the route declares one. */
  body: BodySchema | undefined
  /** The parameters after `?`, if the route declares which there are. */
  query: BodySchema | undefined
}

/** Every route of the services that are built from now on, as each is registered, but for HEAD and OPTIONS. */
export function collectRoutes(): Route[] {
  const routes: Route[] = []
  subscribe('fastify.initialization', (message) => {
    const { fastify } = message as { fastify: FastifyInstance }
    fastify.addHook('onRoute', (options) => {
      const all = [options.method].flat().filter((method) => !/^(HEAD|OPTIONS)$/.test(method))
      const methods = isForAny(options.url) ? all.filter((one) => /^(GET|POST)$/.test(one)) : all
      for (const method of methods) routes.push(toRoute(method, options))
    })
  })
  return routes
}

export const nameOf = ({ method, url }: Route) => `${method} ${url}`

export const someId = '01890a5d-ac96-774b-bcce-b302099a8057'

const isForAny = (url: string) => /^\/forward-auth(\/mfa)?(\/role\/|$)/.test(url)

function toRoute(method: string, { url, schema }: RouteOptions): Route {
  const body = schema?.body as BodySchema | undefined
  return {
    method,
    url,
    path: url.replaceAll(/:\w+/g, someId),
    speaks: languageOf(url, schema),
    isForAny: isForAny(url),
    readsBody: !['GET', 'TRACE'].includes(method) && !isForAny(url),
    body: body?.anyOf?.find(({ type }) => type === 'object') ?? body,
    query: schema?.querystring as BodySchema | undefined,
  }
}

function languageOf(url: string, schema: RouteOptions['schema']): Route['speaks'] {
  const { tags = [], consumes = [] } = schema ?? {}
  if (tags.some((tag) => tag.startsWith('dialect'))) return 'dialect'
  if (tags.includes('oauth')) return 'oauth'
  if (consumes.includes('multipart/form-data')) return 'multipart'
  if (!tags.includes('pages')) return 'json'
  return ['/activate', '/reset', '/confirm', '/not-me'].includes(url) ? 'link' : 'page'
}
