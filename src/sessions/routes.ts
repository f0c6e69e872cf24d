import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { AppError } from '../errors.js'
import { readBearer } from '../plugins/authenticate.js'
import type { SessionCookies } from '../plugins/cookies.js'
import { replies } from '../plugins/openapi.js'
import type { Client } from './repository.js'
import {
  LoginBody,
  LoginReply,
  LogoutBody,
  LogoutReply,
  RefreshBody,
  RefreshReply,
} from './schemas.js'
import type { SessionService } from './service.js'

type Options = { sessions: SessionService; cookies: SessionCookies }

/** Without an access token: getting one. */
export const loginRoutes: FastifyPluginAsyncTypebox<Options> = async (
  app,
  { sessions, cookies },
) => {
  app.post(
    '/api/login',
    {
      schema: {
        summary: 'Log in with one identifier and the password',
        tags: ['sessions'],
        body: LoginBody,
        response: replies({ 200: LoginReply }),
      },
    },
    async (request, reply) => {
      const login = await sessions.login(request.body, clientOf(request))
      cookies.set(request, reply, login)
      return { status: 'success' as const, message: 'Login successful!', ...login }
    },
  )

  app.post(
    '/api/refresh',
    {
      schema: {
        summary: 'Exchange a refresh token (body, Bearer or cookie) for the next pair',
        tags: ['sessions'],
        body: RefreshBody,
        response: replies({ 200: RefreshReply }),
      },
    },
    async (request, reply) => {
      const token = request.body?.refresh_token ?? readBearer(request) ?? cookieToken(request)
      const tokens = await sessions.refresh(token)
      cookies.set(request, reply, tokens)
      return { status: 'success' as const, ...tokens }
    },
  )

  /** @throws AppError `invalid_token` without a cookie, `cross_site_request` */
  function cookieToken(request: FastifyRequest): string {
    const token = request.cookies.refresh
    if (token === undefined) throw new AppError('invalid_token')
    if (!cookies.isSameOrigin(request)) throw new AppError('cross_site_request')
    return token
  }
}

/** With an access token: giving it back. */
export const logoutRoutes: FastifyPluginAsyncTypebox<Options> = async (
  app,
  { sessions, cookies },
) => {
  app.post(
    '/api/logout',
    {
      schema: {
        summary: 'End this session, or every one of the user',
        tags: ['sessions'],
        body: LogoutBody,
        response: replies({ 200: LogoutReply }),
      },
    },
    async (request, reply) => {
      await sessions.logout(request.user, request.body?.everywhere ?? false)
      cookies.clear(request, reply)
      return { status: 'success' as const, message: 'Logged out' }
    },
  )
}

function clientOf({ headers, ip }: FastifyRequest): Client {
  return { user_agent: headers['user-agent']?.slice(0, 255) ?? null, address: ip }
}
