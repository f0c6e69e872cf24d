import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AccountService } from '../features/registration/service.js'
import type { RegisterBody } from '../features/registration/schemas.js'
import { askingCaller } from '../features/codes/asker.js'
import { AppError } from '../errors.js'
import type { Limits } from '../features/limits/limits.js'
import type { CompleteLogin } from '../features/sessions/complete-login.js'
import type { SessionService } from '../features/sessions/service.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import { callerOf } from '../http/caller.js'
import { isAuthorization, redirectAfterForm } from './authorize.js'
import { setFlash, takeFlash } from './flash.js'
import {
  closed,
  consumes,
  faultsOf,
  filled,
  hiddenNext,
  newPassword,
  Next,
  NextQuery,
  pageReplies,
  tags,
  Text,
  withNext,
} from './forms.js'
import { renderForm, type SendPage } from './layout.js'
import type { SafeNext } from '../http/next.js'
import { providerButtons, type ProviderButton } from './providers.js'
import type { Markup } from './views.js'

type Options = {
  accounts: Pick<AccountService, 'register'>
  sessions: Pick<SessionService, 'login'>
  completeLogin: CompleteLogin
  limits: Limits
  cookies: SessionCookies
  send: SendPage
  providers: ProviderButton[]
  safeNext: SafeNext
  activation: boolean
  minLength: number
}

/** The page to register. */
export const registerPages: FastifyPluginAsyncTypebox<Options> = async (app, options) => {
  const { accounts, sessions, completeLogin, limits, cookies, send } = options
  const { providers, safeNext, activation, minLength } = options
  app.get(
    '/register',
    {
      schema: {
        summary: 'The registration form',
        tags,
        querystring: NextQuery,
        response: pageReplies,
      },
    },
    async (request, reply) => {
      const flash = takeFlash(cookies, request, reply)
      return send(reply, 200, {
        title: 'Register',
        flash,
        content: registerForm(safeNext(request.query.next)),
      })
    },
  )

  app.post(
    '/register',
    {
      preHandler: limits.perNetwork('register'),
      schema: {
        summary: 'Register with the form',
        tags,
        consumes,
        body: Type.Object(
          { name: Text, username: Text, email: Text, mobile: Text, password: Text, next: Next },
          closed,
        ),
        response: pageReplies,
      },
    },
    async (request, reply) => {
      const { password = '', next, ...values } = request.body
      const target = safeNext(next)
      const body = { ...filled(values), password }
      try {
        await accounts.register(body, askingCaller(cookies, request, reply))
      } catch (error) {
        if (!(error instanceof AppError) || error.statusCode >= 500) throw error
        const content = registerForm(target, filled(values), faultsOf(error))
        const fault = `${error.message}.`
        return send(reply, error.statusCode, { title: 'Register', fault, content })
      }
      if (activation) {
        // The same reply for a new address and a known one: neither is logged in.
        setFlash(cookies, reply, 'look_for_message')
        return reply.redirect(withNext('/login', target), 303)
      }
      const isLoggedIn = await logIn(request, reply, body)
      if (isLoggedIn && isAuthorization(target)) return redirectAfterForm(reply, send, target)
      setFlash(cookies, reply, isLoggedIn ? 'registered' : 'registered_log_in')
      return reply.redirect(isLoggedIn ? target : withNext('/login', target), 303)
    },
  )

  /** Logs in with the new account. Returns false if a limit or an overload refuses it for now. */
  async function logIn(
    request: FastifyRequest,
    reply: FastifyReply,
    { email, username, mobile, password }: RegisterBody,
  ): Promise<boolean> {
    const name = email ? { email } : username ? { username } : { mobile: mobile ?? '' }
    const mark = cookies.read(request, 'device')
    try {
      const login = await sessions.login({ ...name, password }, callerOf(request), mark)
      completeLogin(request, reply, login, { isRefunded: false })
      return true
    } catch (error) {
      if (error instanceof AppError) return false
      throw error
    }
  }

  function registerForm(target: string, values = {}, faults = {}): Markup[] {
    const form = renderForm({
      button: 'Register',
      takesFocus: true,
      hidden: hiddenNext(target),
      values,
      faults,
      fields: [
        { name: 'name', label: 'Name', autocomplete: 'name' },
        { name: 'username', label: 'Username', autocomplete: 'username' },
        {
          name: 'email',
          label: 'E-mail address',
          type: 'email',
          autocomplete: 'email',
          required: true,
        },
        newPassword('password', 'Password', minLength),
      ],
    })
    return [form, ...providerButtons(providers, target)]
  }
}
