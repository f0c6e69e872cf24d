import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { AppError } from '../errors.js'
import type { CompleteLogin } from '../features/sessions/complete-login.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import type { SessionService } from '../features/sessions/service.js'
import { distrustDevice, isAuthorization, redirectAfterForm } from './authorize.js'
import type { Greeting } from './greeting.js'
import { setFlash, takeFlash } from './flash.js'
import {
  closed,
  consumes,
  hiddenNext,
  Next,
  NextQuery,
  pageReplies,
  tags,
  Text,
  withNext,
} from './forms.js'
import { renderForm, type SendPage } from './layout.js'
import type { AskFactor } from './second-factor.js'
import type { SafeNext } from '../http/next.js'
import { providerButtons, type ProviderButton } from './providers.js'
import { compileView, type Markup } from './views.js'
import type { Visitors } from './visitor.js'

type Options = {
  sessions: SessionService
  completeLogin: CompleteLogin
  greet: Greeting
  visitors: Visitors
  cookies: SessionCookies
  send: SendPage
  providers: ProviderButton[]
  safeNext: SafeNext
  askFactor: AskFactor
  /** Whether the page has a link to register. */
  offersRegistration: boolean
}

const links = compileView<{ register: string | undefined }>('login-links')

const LoginQuery = Type.Object({
  ...NextQuery.properties,
  prompt: Type.Optional(Type.String({ description: '`login` shows the form to a user too' })),
  cookies: Type.Optional(
    Type.String({
      description:
        '`clear` deletes the session cookies that another host set for the path of `next`',
    }),
  ),
})

export const loginPages: FastifyPluginAsyncTypebox<Options> = async (app, options) => {
  const { sessions, completeLogin, greet, visitors, cookies, send, providers, safeNext } = options
  const { askFactor, offersRegistration } = options

  app.get(
    '/login',
    { schema: { summary: 'The login form', tags, querystring: LoginQuery, response: pageReplies } },
    async (request, reply) => {
      const { next, prompt, cookies: action } = request.query
      const path = safeNext(next)
      if (action === 'clear' && path.startsWith('/')) cookies.clearFor(path, request, reply)
      const user = await visitors.find(request, reply)
      if (user && prompt !== 'login') return reply.redirect(path, 303)
      const flash = takeFlash(cookies, request, reply)
      return send(reply, 200, { title: 'Log in', flash, content: loginForm(path, '', prompt) })
    },
  )

  app.post(
    '/login',
    {
      schema: {
        summary: 'Log in with the form',
        tags,
        consumes,
        querystring: NextQuery,
        body: Type.Object(
          { username: Text, email: Text, mobile: Text, password: Text, next: Next },
          closed,
        ),
        response: pageReplies,
      },
    },
    async (request, reply) => {
      const { username, email, mobile, password = '', next = request.query.next } = request.body
      const target = safeNext(next)
      const name = username ?? email ?? mobile ?? ''
      try {
        const credentials = { identifier: name, password }
        // The new session joins the login of the present one, if that is of the same user.
        if (isAuthorization(target)) await visitors.find(request, reply)
        const caller = cookies.loginCaller(request, { isPage: true })
        distrustDevice(caller, target)
        const login = await sessions.login(credentials, caller)
        const { user } = completeLogin(request, reply, login)
        if (!isAuthorization(target)) setFlash(cookies, reply, await greet(user.id))
      } catch (error) {
        if (!(error instanceof AppError) || error.statusCode >= 500) throw error
        if (error.code === 'second_factor_required') return askFactor(reply, error, target)
        // Treat a malformed identifier like an unknown user.
        const isMalformed = error.code === 'validation_failed'
        const fault = isMalformed ? 'Invalid credentials.' : `${error.message}.`
        if (error.headers) reply.headers(error.headers)
        if (error.retryAfter !== undefined) reply.header('retry-after', error.retryAfter)
        const content = loginForm(target, name)
        return send(reply, isMalformed ? 401 : error.statusCode, {
          title: 'Log in',
          fault,
          content,
        })
      }
      return redirectAfterForm(reply, send, target)
    },
  )

  function loginForm(target: string, name = '', prompt?: string): Markup[] {
    const form = renderForm({
      button: 'Log in',
      takesFocus: true,
      hidden: hiddenNext(target),
      values: { username: name },
      fields: [
        {
          name: 'username',
          label: 'E-mail address, username or mobile number',
          autocomplete: 'username',
          required: true,
        },
        {
          name: 'password',
          label: 'Password',
          type: 'password',
          autocomplete: 'current-password',
          required: true,
        },
      ],
    })
    const register = offersRegistration ? withNext('/register', target) : undefined
    return [form, ...providerButtons(providers, target, prompt), links({ register })]
  }
}
