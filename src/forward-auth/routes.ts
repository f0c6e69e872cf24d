import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { isOfClient } from '@gatehouse/verify/protocol'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { METHODS } from 'node:http'
import { addLines } from '../http/cookies.js'
import { AppError } from '../errors.js'
import { sendError } from '../http/errors.js'
import { replies } from '../http/replies.js'
import { RoleName } from '../features/roles/schemas.js'
import { identityHeaders } from './identity.js'
import { createLoginUrl } from './original.js'

type Options = { publicUrl: string; corsOrigins: string[] }

const Nothing = (description: string) => Type.Null({ description })
const tags = ['forward-auth']
const response = replies({
  200: Nothing('pass it on, with `Remote-User`, `Remote-Email`, `Remote-Name`, `Remote-Groups`'),
  302: Nothing('to the login page, for a browser behind a proxy that passes the answer on'),
})

const Params = Type.Object({ role: RoleName })

/**
 * Whether a reverse proxy may pass a request on, and as whose. The path alone says which role it
 * takes: nothing that a client could write, such as a query or a header, says anything about that.
 */
export const forwardAuthRoutes: FastifyPluginAsyncTypebox<Options> = async (app, options) => {
  const { publicUrl, corsOrigins } = options
  const loginUrl = createLoginUrl(publicUrl, corsOrigins)
  const others = acceptAnything(app)

  app.setErrorHandler((error: AppError, request, reply) => {
    const login = error.statusCode === 401 ? loginUrl(request, error.cookies) : undefined
    if (login === undefined) return sendError(error, request, reply)
    // Traefik and Caddy name the method so, and pass a redirect on; nginx would make it a 500, but
    // hands the header of a 401 to its configuration.
    if (request.headers['x-forwarded-method'] !== undefined) {
      addLines(reply, error.cookies ?? [])
      return reply.redirect(login, 302)
    }
    return sendError(error, request, reply.header('location', login))
  })

  for (const { hide, method } of [
    { method: 'GET', hide: false },
    { method: others, hide: true }, // OpenAPI has no words for most of them
  ]) {
    // By itself the plugin would answer 204 to a preflight, which a proxy takes for a yes.
    const config = { cors: false } as const
    app.route({
      method,
      url: '/forward-auth',
      config,
      schema: {
        summary:
          'Whether a proxy may pass a request of a user on: by any method, the body is ignored',
        tags,
        hide,
        response,
      },
      handler: async (request, reply) => {
        if (isOfClient(request.user)) throw new AppError('forbidden')
        return allow(request, reply)
      },
    })
    app.route({
      method,
      url: '/forward-auth/role/:role',
      config,
      schema: {
        summary: 'The same, for users and clients that have the role',
        tags,
        hide,
        params: Params,
        response,
      },
      handler: async (request, reply) => {
        if (!request.user.roles.includes(request.params.role)) throw new AppError('forbidden')
        return allow(request, reply)
      },
    })
  }
}

const allow = (request: FastifyRequest, reply: FastifyReply) =>
  reply.headers(identityHeaders(request.user)).send()

/**
 * Every method but GET; whatever body comes with one is for the app, and not read.
 * CONNECT never reaches a route.
 */
function acceptAnything(app: FastifyInstance): string[] {
  const methods = METHODS.filter((method) => method !== 'GET' && method !== 'CONNECT')
  for (const method of methods) {
    if (!app.supportedMethods.includes(method)) app.addHttpMethod(method)
  }
  // Also where the type is no type at all, or QUERY has none, which Fastify would refuse.
  app.addHook('preParsing', async ({ headers }, _reply, payload) => {
    headers['content-type'] = 'application/octet-stream'
    return payload
  })
  app.addContentTypeParser('*', (_request, _payload, done) => done(null))
  return methods
}
