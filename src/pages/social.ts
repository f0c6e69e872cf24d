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
import { wantsHtml } from '../http/wants-html.js'
import { setFlash, type Flash } from './flash.js'
import { closed, consumes, NextQuery, pageReplies, tags, Text } from './forms.js'
import { renderForm, template, type SendPage } from './layout.js'
import type { SafeNext } from '../http/next.js'
import type { ProviderButton } from './providers.js'
import type { Visitors } from './visitor.js'

type Options = {
  identities: IdentityService
  social: SocialService
  completeLogin: CompleteLogin
  visitors: Visitors
  limits: Limits
  cookies: SessionCookies
  providers: ProviderButton[]
  send: SendPage
  safeNext: SafeNext
  publicUrl: string
}

const Parameter = Type.Optional(Type.String({ maxLength: 4_096 }))
const CallbackQuery = Type.Object({
  state: Parameter,
  code: Parameter,
  iss: Parameter,
  error: Parameter,
})
const PasswordForm = Type.Object({ password: Text }, closed)

/** Signing in by a provider: away to it, back from it, and what is connected. */
export const socialPages: FastifyPluginAsyncTypebox<Options> = async (app, options) => {
  const { identities, social, completeLogin, visitors, limits, cookies } = options
  const { providers, send, safeNext, publicUrl } = options

  app.get(
    '/auth/:provider',
    {
      schema: {
        summary: 'To a provider, to log in there',
        tags,
        params: IdentityParams,
        querystring: NextQuery,
        response: pageReplies,
      },
    },
    async (request, reply) => {
      const { next } = request.query
      const { name } = requireProvider(request.params.provider)
      if (await visitors.find(request, reply)) return reply.redirect(safeNext(next), 303)
      const { url, sealed } = await social.begin(name, next)
      cookies.write(reply, 'social', sealed, transactionLifetime)
      return reply.redirect(url.href, 303)
    },
  )

  app.get(
    '/auth/:provider/callback',
    {
      preHandler: limits.perNetwork('login'),
      schema: {
        summary: 'Back from a provider, with its answer',
        tags,
        params: IdentityParams,
        querystring: CallbackQuery,
        response: pageReplies,
      },
    },
    async (request, reply) => {
      const sealed = cookies.take(request, reply, 'social')
      const path = await comeBack(request, reply, sealed).catch((error: unknown) => {
        const isCancelled = request.query.error === 'access_denied'
        const flash = wantsHtml(request) ? wordsFor(error, isCancelled) : undefined
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
        summary: 'Begin to connect a provider to the account that is signed in',
        tags,
        consumes,
        params: IdentityParams,
        body: PasswordForm,
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
        // A redirect would be one of the form, which may only lead to us.
        const content = onward({ url: url.href, label })
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

  /** Where to go now that a provider has answered. */
  async function comeBack(
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
    setFlash(cookies, reply, login ? 'logged_in' : 'connected')
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

  /** The same form again where it is the password that is missing or wrong; else rethrows. */
  function askPassword(error: unknown, reply: FastifyReply, title: string, action: string) {
    const isAboutIt =
      error instanceof AppError &&
      ['reauthentication_required', 'invalid_credentials'].includes(error.code)
    if (!isAboutIt) throw error
    const autocomplete = 'current-password'
    const field = { name: 'password', label: 'Password', type: 'password', autocomplete }
    const content = renderForm({ button: title, action, takesFocus: true, fields: [field] })
    return send(reply, error.statusCode, { title, fault: `${error.message}.`, content })
  }
}

/** What the login page says of a failure that is nobody's fault. */
function wordsFor(error: unknown, isCancelled: boolean): Flash | undefined {
  if (!(error instanceof AppError)) return undefined
  if (error.code === 'account_exists') return 'account_exists'
  return error.code === 'provider_refused' && isCancelled ? 'login_cancelled' : undefined
}

const onward = template<{ url: string; label: string }>(
  `<p><a class="button" href="<%= it.url %>">Continue to <%= it.label %></a></p>
`,
)
