import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { actorOf } from '../../http/caller.js'
import { MessageReply, ok, replies } from '../../http/replies.js'
import {
  EndedReply,
  EndSessionsQuery,
  LogoutBody,
  SessionParams,
  SessionsReply,
} from './schemas.js'
import type { SessionCookies } from './session-cookies.js'
import type { SessionService } from './service.js'

type Options = { sessions: SessionService; cookies: SessionCookies }

const tags = ['sessions']

/** The routes that need an access token. */
export const logoutRoutes: FastifyPluginAsyncTypebox<Options> = async (
  app,
  { sessions, cookies },
) => {
  app.post(
    '/api/logout',
    {
      schema: {
        summary: 'End this session, or every one of the user',
        tags,
        body: LogoutBody,
        response: replies({ 200: MessageReply }),
      },
    },
    async (request, reply) => {
      await sessions.logout(actorOf(request), request.body?.everywhere ?? false)
      cookies.clear(request, reply)
      return ok({ message: 'Logged out' })
    },
  )

  app.get(
    '/api/sessions',
    {
      schema: {
        summary: 'The sessions of the user, the last used first',
        tags,
        response: replies({ 200: SessionsReply }),
      },
    },
    async (request) => ok({ sessions: await sessions.list(actorOf(request)) }),
  )

  app.delete(
    '/api/sessions',
    {
      schema: {
        summary: 'End every session of the user, or every other one',
        tags,
        querystring: EndSessionsQuery,
        response: replies({ 200: EndedReply }),
      },
    },
    async (request, reply) => {
      const keepsThis = request.query.keep === 'current'
      const ended = await sessions.endAll(actorOf(request), keepsThis)
      if (!keepsThis) cookies.clear(request, reply)
      return ok({ message: 'Sessions ended', ended })
    },
  )

  app.delete(
    '/api/sessions/:id',
    {
      schema: {
        summary: 'End one session of the user',
        tags,
        params: SessionParams,
        errors: ['not_found'],
        response: replies({ 200: EndedReply }),
      },
    },
    async (request, reply) => {
      const isCurrent = await sessions.endOne(actorOf(request), request.params.id)
      if (isCurrent) cookies.clear(request, reply)
      return ok({ message: 'Session ended', ended: 1 })
    },
  )
}
