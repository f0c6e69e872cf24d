import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../errors.js'
import type { Limits } from '../features/limits/limits.js'
import type { CompleteLogin } from '../features/sessions/complete-login.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import { IdentityParams } from '../features/identities/schemas.js'
import type { SocialService } from '../features/identities/service.js'
import { transactionLifetime } from '../features/identities/transactions.js'
import { wantsHtml } from '../http/accept.js'
import { InvitationToken } from '../features/invitations/schemas.js'
import { prepareError } from '../http/errors.js'
import { distrustDevice } from './authorize.js'
import type { Greeting } from './greeting.js'
import { setFlash, type Flash } from './flash.js'
import { NextQuery, pageReplies, tags, withNext } from './forms.js'
import type { SendPage } from './layout.js'
import type { SafeNext } from '../http/next.js'
import { requireProvider, type ProviderButton } from './providers.js'
import type { AskFactor } from './factor-forms.js'
import { compileView } from './views.js'
import type { Visitors } from './visitor.js'

type Options = {
  social: SocialService
  completeLogin: CompleteLogin
  greet: Greeting
  visitors: Visitors
  limits: Limits
  cookies: SessionCookies
  providers: ProviderButton[]
  safeNext: SafeNext
  send: SendPage
  askFactor: AskFactor
  publicUrl: string
}

const again = compileView<{ path: string }>('login-again')

const Parameter = Type.Optional(Type.String({ maxLength: 4_096 }))
const CallbackQuery = Type.Object({
  state: Parameter,
  code: Parameter,
  iss: Parameter,
  error: Parameter,
})
const LoginQuery = Type.Object({
  ...NextQuery.properties,
  prompt: Type.Optional(Type.String({ description: '`login` logs a user in again' })),
  invitation: Type.Optional(InvitationToken),
})
/** Log in by a provider. Its redirect back also finishes a connection (connections.ts). */
export const socialPages: FastifyPluginAsyncTypebox<Options> = async (app, options) => {
  const { social, completeLogin, greet, visitors, limits, cookies } = options
  const { askFactor, providers, safeNext, send, publicUrl } = options

  app.get(
    '/auth/:provider',
    {
      exposeHeadRoute: false,
      schema: {
        summary: 'Redirect to a provider to log in',
        tags,
        params: IdentityParams,
        querystring: LoginQuery,
        errors: ['not_found', 'provider_failed'],
        response: pageReplies,
      },
    },
    async (request, reply) => {
      const target = safeNext(request.query.next)
      const { name } = requireProvider(providers, request.params.provider)
      const isLoggedIn = (await visitors.find(request, reply)) !== undefined
      const { invitation, prompt } = request.query
      const isAgain = prompt === 'login'
      if (isLoggedIn && !isAgain) return reply.redirect(target, 303)
      const { url, sealed } = await social.begin(name, target, { isAgain, invitation })
      cookies.write(reply, 'social', sealed, transactionLifetime)
      return reply.redirect(url.href, 303)
    },
  )

  app.get(
    '/auth/:provider/callback',
    {
      exposeHeadRoute: false,
      preHandler: limits.perNetwork('login'),
      schema: {
        summary: 'The redirect back from a provider',
        tags,
        params: IdentityParams,
        querystring: CallbackQuery,
        errors: [
          'forbidden',
          'not_found',
          'invalid_state',
          'provider_refused',
          'provider_failed',
          'invalid_credentials',
          'activation_required',
          'second_factor_required',
          'account_exists',
          'email_required',
          'registration_closed',
          'invitation_required',
          'invalid_invitation',
          'domain_not_allowed',
          'identity_taken',
          'rate_limited',
        ],
        response: pageReplies,
      },
    },
    async (request, reply) => {
      const sealed = cookies.take(request, reply, 'social')
      try {
        const done = await finishLogin(request, reply, sealed)
        return typeof done === 'string' ? await reply.redirect(done, 303) : done
      } catch (error) {
        if (!wantsHtml(request) || !(error instanceof AppError)) throw error
        // The login page still leads to where this login was to lead.
        const path = withNext('/login', safeNext(social.nextOf(sealed) ?? '/welcome'))
        const flash = flashFor(error, request.query.error === 'access_denied')
        if (flash !== undefined) {
          setFlash(cookies, reply, flash)
          return reply.redirect(path, 303)
        }
        const { statusCode, message } = prepareError(error, request, reply)
        const content = [again({ path })]
        return send(reply, statusCode, { title: 'Sorry', fault: `${message}.`, content })
      }
    },
  )

  /**
   * Finishes the login or the connection.
   * @returns the URL to which the browser is redirected, or the reply that asks for the second factor
   */
  async function finishLogin(
    request: FastifyRequest<{ Params: IdentityParams }>,
    reply: FastifyReply,
    sealed: string | undefined,
  ): Promise<string | FastifyReply> {
    const { provider } = request.params
    await visitors.find(request, reply)
    const callback = new URL(`${publicUrl}/auth/${provider}/callback`)
    const caller = cookies.loginCaller(request, { isPage: wantsHtml(request) })
    distrustDevice(caller, safeNext(social.nextOf(sealed)))
    callback.search = request.url.split('?')[1] ?? ''
    const { next, login } = await social.finish(provider, callback, sealed, caller)
    if (!login) {
      limits.refund(request)
      setFlash(cookies, reply, 'connected')
      return safeNext(next)
    }
    try {
      const { user } = completeLogin(request, reply, login)
      setFlash(cookies, reply, await greet(user.id))
      return safeNext(next)
    } catch (error) {
      const isPending = error instanceof AppError && error.code === 'second_factor_required'
      if (!isPending || !wantsHtml(request)) throw error
      return askFactor(reply, error, safeNext(next))
    }
  }
}

/** The refusals that the login page explains, each by the text of the same name. */
const refusals = {
  account_exists: true,
  registration_closed: true,
  invitation_required: true,
  invalid_invitation: true,
  domain_not_allowed: true,
} satisfies Partial<Record<Flash, true>>

/** The message of the login page for an expected failure. Undefined for any other error. */
function flashFor(error: AppError, isCancelled: boolean): Flash | undefined {
  if (Object.hasOwn(refusals, error.code)) return error.code as Flash
  return error.code === 'provider_refused' && isCancelled ? 'login_cancelled' : undefined
}
