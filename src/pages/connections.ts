import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { actorOf } from '../http/caller.js'
import { AppError } from '../errors.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import type { IdentityService } from '../features/identities/identities.js'
import { IdentityParams } from '../features/identities/schemas.js'
import type { SocialService } from '../features/identities/service.js'
import { transactionLifetime } from '../features/identities/transactions.js'
import { setFlash } from './flash.js'
import { closed, consumes, pageReplies, tags, Text } from './forms.js'
import { renderForm, type SendPage } from './layout.js'
import { requireProvider, type ProviderButton } from './providers.js'
import { compileView } from './views.js'
import type { Visitors } from './visitor.js'

type Options = {
  identities: IdentityService
  social: SocialService
  visitors: Visitors
  cookies: SessionCookies
  providers: ProviderButton[]
  send: SendPage
}

const redirect = compileView<{ url: string; label: string }>('provider-redirect')

const PasswordForm = Type.Object({ password: Text }, closed)

/** The refusals of a change of one's providers, which needs a session and a fresh password. */
const changeErrors = [
  'invalid_token',
  'not_found',
  'reauthentication_required',
  'invalid_credentials',
  'rate_limited',
] as const

/** Connect providers to the account of the signed-in user, and disconnect them. */
export const connectionPages: FastifyPluginAsyncTypebox<Options> = async (app, options) => {
  const { identities, social, visitors, cookies, providers, send } = options

  app.post(
    '/auth/:provider/connect',
    {
      preHandler: requireVisitor,
      schema: {
        summary: 'Start to connect a provider to the account of the signed-in user',
        tags,
        consumes,
        params: IdentityParams,
        body: PasswordForm,
        errors: [...changeErrors, 'provider_failed'],
        response: pageReplies,
      },
    },
    async (request, reply) => {
      const { name, label } = requireProvider(providers, request.params.provider)
      const title = `Connect ${label}`
      try {
        const { password } = request.body
        const { url, sealed } = await social.beginConnecting(name, actorOf(request), password)
        cookies.write(reply, 'social', sealed, transactionLifetime)
        // `form-action` forbids a redirect from this form to another site, so the page itself redirects.
        const content = [redirect({ url: url.href, label })]
        return await send(reply, 200, { title, refresh: url.href, content })
      } catch (error) {
        return await askPassword(error, reply, title, `/auth/${name}/connect`)
      }
    },
  )

  app.post(
    '/auth/:provider/disconnect',
    {
      preHandler: requireVisitor,
      schema: {
        summary: 'Disconnect a provider',
        tags,
        consumes,
        params: IdentityParams,
        body: PasswordForm,
        errors: [...changeErrors, 'last_login_method'],
        response: pageReplies,
      },
    },
    async (request, reply) => {
      const { name, label } = requireProvider(providers, request.params.provider)
      try {
        await identities.disconnect(name, actorOf(request), request.body.password)
      } catch (error) {
        return askPassword(error, reply, `Disconnect ${label}`, `/auth/${name}/disconnect`)
      }
      setFlash(cookies, reply, 'disconnected')
      return reply.redirect('/welcome', 303)
    },
  )

  /** @throws AppError `invalid_token` */
  async function requireVisitor(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (!(await visitors.find(request, reply))) throw new AppError('invalid_token')
  }

  /** Shows a form for the password if it is missing or wrong. Rethrows any other error. */
  function askPassword(error: unknown, reply: FastifyReply, title: string, action: string) {
    const needsPassword =
      error instanceof AppError &&
      ['reauthentication_required', 'invalid_credentials'].includes(error.code)
    if (!needsPassword) throw error
    const autocomplete = 'current-password'
    const field = { name: 'password', label: 'Password', type: 'password', autocomplete }
    const content = [renderForm({ button: title, action, takesFocus: true, fields: [field] })]
    return send(reply, error.statusCode, { title, fault: `${error.message}.`, content })
  }
}
