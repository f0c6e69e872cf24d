import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { isOfClient } from '@gatehouse/verify/protocol'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { METHODS } from 'node:http'
import { addCookieLines } from '../http/cookies.js'
import { AppError, type ErrorCode } from '../errors.js'
import { sendError } from '../http/errors.js'
import { replies } from '../http/replies.js'
import { RoleName } from '../features/roles/schemas.js'
import { identityHeaders } from './identity.js'
import type { AppHosts } from './hosts.js'
import { createLoginUrls } from './original.js'

type Options = { publicUrl: string; corsOrigins: string[]; hosts: AppHosts }

const NoBody = (description: string) => Type.Null({ description })
const tags = ['forward-auth']
const errors: ErrorCode[] = ['cross_site_request']
const factorErrors: ErrorCode[] = [
  ...errors,
  'second_factor_missing',
  'insufficient_user_authentication',
]
const response = replies({
  200: NoBody(
    'forward it, with the headers `Remote-User`, `Remote-Email`, `Remote-Name`, `Remote-Groups`',
  ),
  302: NoBody('to the login page, for a browser behind Traefik or Caddy'),
})

const Params = Type.Object({ role: RoleName })

/**
 * Tells a reverse proxy whether it may forward a request, and which user sent it. The required role is part
 * of the path, never of a query or header, because a client could change those. So is the second factor.
 */
export const forwardAuthRoutes: FastifyPluginAsyncTypebox<Options> = async (app, options) => {
  const { publicUrl, corsOrigins, hosts } = options
  const { loginUrl, factorUrl } = createLoginUrls(publicUrl, corsOrigins, hosts)
  const otherMethods = acceptEveryMethod(app)

  app.setErrorHandler((error: AppError, request, reply) => {
    const isFactor = error.code === 'second_factor_missing'
    const login = isFactor
      ? factorUrl(request)
      : error.statusCode === 401
        ? loginUrl(request, error.cookies)
        : undefined
    if (login === undefined) return sendError(error, request, reply)
    // Traefik and Caddy send this header, and pass a redirect to the browser. nginx would turn a redirect
    // into a 500, but its configuration can read the Location header of a 401.
    if (request.headers['x-forwarded-method'] !== undefined) {
      addCookieLines(reply, error.cookies ?? [])
      return reply.redirect(login, 302)
    }
    const answer = isFactor ? new AppError('insufficient_user_authentication') : error
    return sendError(answer, request, reply.header('location', login))
  })

  for (const { hide, method } of [
    { method: 'GET', hide: false },
    { method: otherMethods, hide: true }, // OpenAPI does not support most of them
  ]) {
    // The CORS plugin would answer 204 to a preflight request, and the proxy would forward it.
    const config = { cors: false } as const
    const route = { method, exposeHeadRoute: false, config } as const // HEAD is one of the other methods
    const schema = { tags, hide, response }
    app.route({
      ...route,
      url: '/forward-auth',
      schema: {
        ...schema,
        summary:
          'Check whether a proxy may forward a request of a user; any method, the body is ignored',
        errors,
      },
      handler: async (request, reply) => {
        requireUser(request)
        return allow(request, reply)
      },
    })
    app.route({
      ...route,
      url: '/forward-auth/mfa',
      schema: {
        ...schema,
        summary:
          'Check whether a proxy may forward a request of a user whose login had a second factor',
        errors: factorErrors,
      },
      handler: async (request, reply) => {
        requireUser(request)
        requireFactor(request)
        return allow(request, reply)
      },
    })
    app.route({
      ...route,
      url: '/forward-auth/role/:role',
      schema: {
        ...schema,
        summary: 'Check whether a proxy may forward a request of a user or client with this role',
        params: Params,
        errors,
      },
      handler: async (request, reply) => {
        requireRole(request, request.params.role)
        return allow(request, reply)
      },
    })
    app.route({
      ...route,
      url: '/forward-auth/mfa/role/:role',
      schema: {
        ...schema,
        summary:
          'Check whether a proxy may forward one of a user with this role whose login had a second factor',
        params: Params,
        errors: factorErrors,
      },
      handler: async (request, reply) => {
        requireRole(request, request.params.role)
        requireFactor(request)
        return allow(request, reply)
      },
    })
  }
}

/** @throws AppError `forbidden` */
function requireUser({ user }: FastifyRequest): void {
  if (isOfClient(user)) throw new AppError('forbidden')
}

/** @throws AppError `forbidden` */
function requireRole({ user }: FastifyRequest, role: string): void {
  if (!user.roles.includes(role)) throw new AppError('forbidden')
}

/** A client and an API key have no login, and so no factor. @throws AppError `second_factor_missing` */
function requireFactor({ user }: FastifyRequest): void {
  if (!user.amr?.includes('mfa')) throw new AppError('second_factor_missing')
}

const allow = (request: FastifyRequest, reply: FastifyReply) =>
  reply.headers(identityHeaders(request.user)).send()

/**
 * Accepts every method on this scope, without reading the body, which is meant for the app.
 * @returns all methods except GET, which has its own route, and CONNECT, which never reaches a route
 */
function acceptEveryMethod(app: FastifyInstance): string[] {
  const methods = METHODS.filter((method) => method !== 'GET' && method !== 'CONNECT')
  for (const method of methods) {
    if (!app.supportedMethods.includes(method)) app.addHttpMethod(method)
  }
  // Fastify would reject an invalid content type, and the method QUERY without one.
  app.addHook('preParsing', async ({ headers }, _reply, payload) => {
    headers['content-type'] = 'application/octet-stream'
    return payload
  })
  app.addContentTypeParser('*', (_request, _payload, done) => done(null))
  return methods
}
