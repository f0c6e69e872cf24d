import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { actorOf, callerOf } from '../http/caller.js'
import { AppError } from '../errors.js'
import type { Limits } from '../features/limits/limits.js'
import type { CompleteLogin } from '../features/sessions/complete-login.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import type { IdentityService } from '../features/identities/identities.js'
import { IdentityParams } from '../features/identities/schemas.js'
import type { SocialService } from '../features/identities/service.js'
import { transactionLifetime } from '../features/identities/transactions.js'
import { wantsHtml } from '../http/accept.js'
import type { Greeting } from './greeting.js'
import { setFlash, type Flash } from './flash.js'
import { closed, consumes, NextQuery, pageReplies, tags, Text } from './forms.js'
import { renderForm, type SendPage } from './layout.js'
import type { SafeNext } from '../http/next.js'
import type { ProviderButton } from './providers.js'
import { compileView } from './views.js'
import type { Visitors } from './visitor.js'

type Options = {
  identities: IdentityService
  social: SocialService
  completeLogin: CompleteLogin
  greet: Greeting
  visitors: Visitors
  limits: Limits
  cookies: SessionCookies
  providers: ProviderButton[]
  send: SendPage
  safeNext: SafeNext
  publicUrl: string
}

const redirect = compileView<{ url: string; label: string }>('provider-redirect')

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
})
const PasswordForm = Type.Object({ password: Text }, closed)

/** The refusals of a change of one's providers, which needs a session and a fresh password. */
const changeErrors = [
  'invalid_token',
  'not_found',
  'reauthentication_required',
  'invalid_credentials',
  'rate_limited',
] as const

/** Log in by a provider, connect and disconnect providers. */
export const socialPages: FastifyPluginAsyncTypebox<Options> = async (app, options) => {
  const { identities, social, completeLogin, greet, visitors, limits, cookies } = options
  const { providers, send, safeNext, publicUrl } = options

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
      const { name } = requireProvider(request.params.provider)
      const isLoggedIn = (await visitors.find(request, reply)) !== undefined
      if (isLoggedIn && request.query.prompt !== 'login') return reply.redirect(target, 303)
      const { url, sealed } = await social.begin(name, target)
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
          'not_found',
          'invalid_state',
          'provider_refused',
          'provider_failed',
          'invalid_credentials',
          'activation_required',
          'account_exists',
          'email_required',
          'identity_taken',
          'rate_limited',
        ],
        response: pageReplies,
      },
    },
    async (request, reply) => {
      const sealed = cookies.take(request, reply, 'social')
      const path = await finishLogin(request, reply, sealed).catch((error: unknown) => {
        const isCancelled = request.query.error === 'access_denied'
        const flash = wantsHtml(request) ? flashFor(error, isCancelled) : undefined
        if (flash === undefined) throw error
        setFlash(cookies, reply, flash)
        return '/login?next=%2Fwelcome'
      })
      return reply.redirect(path, 303)
    },
  )

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
      const { name, label } = requireProvider(request.params.provider)
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
      const { name, label } = requireProvider(request.params.provider)
      try {
        await identities.disconnect(name, actorOf(request), request.body.password)
      } catch (error) {
        return askPassword(error, reply, `Disconnect ${label}`, `/auth/${name}/disconnect`)
      }
      setFlash(cookies, reply, 'disconnected')
      return reply.redirect('/welcome', 303)
    },
  )

  /** Finishes the login or the connection. @returns the URL to which the browser is redirected */
  async function finishLogin(
    request: FastifyRequest<{ Params: IdentityParams }>,
    reply: FastifyReply,
    sealed: string | undefined,
  ): Promise<string> {
    const { provider } = request.params
    await visitors.find(request, reply)
    const callback = new URL(`${publicUrl}/auth/${provider}/callback`)
    callback.search = request.url.split('?')[1] ?? ''
    const { next, login } = await social.finish(provider, callback, sealed, callerOf(request))
    if (login) completeLogin(request, reply, login)
    else limits.refund(request)
    setFlash(cookies, reply, login ? await greet(login.user.id) : 'connected')
    return safeNext(next)
  }

  /** @throws AppError `invalid_token` */
  async function requireVisitor(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (!(await visitors.find(request, reply))) throw new AppError('invalid_token')
  }

  /** @throws AppError `not_found` */
  function requireProvider(name: string): ProviderButton {
    const provider = providers.find((one) => one.name === name)
    if (!provider) throw new AppError('not_found')
    return provider
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

/** The message of the login page for an expected failure. Undefined for any other error. */
function flashFor(error: unknown, isCancelled: boolean): Flash | undefined {
  if (!(error instanceof AppError)) return undefined
  if (error.code === 'account_exists') return 'account_exists'
  return error.code === 'provider_refused' && isCancelled ? 'login_cancelled' : undefined
}
