import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../errors.js'
import type { AuditRepository } from '../features/audit/repository.js'
import { IdParams } from '../features/factors/schemas.js'
import type { FactorService } from '../features/factors/service.js'
import type { IdentityService } from '../features/identities/identities.js'
import type { PasskeyService } from '../features/passkeys/service.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import type { SessionService } from '../features/sessions/service.js'
import { actorOf } from '../http/caller.js'
import { accountView, maxShown } from './account-view.js'
import { setFlash, takeFlash } from './flash.js'
import { closed, consumes, pageReplies, tags } from './forms.js'
import { ownPath } from './home.js'
import type { SendPage } from './layout.js'
import type { ProviderButton } from './providers.js'
import type { Visitors } from './visitor.js'

type Options = {
  audit: Pick<AuditRepository, 'list'>
  factors: FactorService
  identities: IdentityService
  passkeys: Pick<PasskeyService, 'list'>
  sessions: SessionService
  providers: ProviderButton[]
  visitors: Visitors
  cookies: SessionCookies
  send: SendPage
}

const path = '/account'
const none = Type.Object({}, closed)

/** The page of one's own account, which links to the pages that change it, and ends sessions. */
export const accountPages: FastifyPluginAsyncTypebox<Options> = async (app, options) => {
  const { audit, factors, identities, passkeys, sessions, providers, visitors, cookies, send } =
    options

  app.get(
    path,
    { schema: { summary: 'The account of the signed-in user', tags, response: pageReplies } },
    async (request, reply) => {
      const user = await visitors.find(request, reply)
      if (!user) {
        setFlash(cookies, reply, 'login_required')
        return reply.redirect(`/login?next=${encodeURIComponent(path)}`, 303)
      }
      const newest = { limit: maxShown, key: undefined, descending: true, after: undefined }
      const [own, connected, keys, open, { rows: events }] = await Promise.all([
        factors.get(user.id),
        identities.list(user.id),
        passkeys.list(user.id),
        sessions.list(actorOf(request)),
        audit.list({ user_id: user.id }, newest),
      ])
      const content = accountView({
        ...{ user, picture: ownPath(user.picture_url), providers, events },
        ...{ factors: own, identities: connected, passkeys: keys, sessions: open },
      })
      const flash = takeFlash(cookies, request, reply)
      return send(reply, 200, { title: 'Your account', flash, content: [content] })
    },
  )

  app.post(
    `${path}/sessions/:id/end`,
    {
      preHandler: requireVisitor,
      schema: {
        summary: 'End a session of the signed-in user',
        tags,
        consumes,
        params: IdParams,
        body: none,
        errors: ['invalid_token', 'forbidden', 'not_found'],
        response: pageReplies,
      },
    },
    async (request, reply) => {
      const isThis = await sessions.endOne(actorOf(request), request.params.id)
      if (isThis) cookies.clear(request, reply)
      setFlash(cookies, reply, isThis ? 'logged_out' : 'session_ended')
      return reply.redirect(isThis ? '/' : path, 303)
    },
  )

  app.post(
    `${path}/sessions/end-others`,
    {
      preHandler: requireVisitor,
      schema: {
        summary: 'End every other session of the signed-in user',
        tags,
        consumes,
        body: none,
        errors: ['invalid_token', 'forbidden'],
        response: pageReplies,
      },
    },
    async (request, reply) => {
      await sessions.endAll(actorOf(request), true)
      setFlash(cookies, reply, 'session_ended')
      return reply.redirect(path, 303)
    },
  )

  /** @throws AppError `invalid_token` */
  async function requireVisitor(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (!(await visitors.find(request, reply))) throw new AppError('invalid_token')
  }
}
