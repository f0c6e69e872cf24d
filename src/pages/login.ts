import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { AppError } from '../errors.js'
import type { CompleteLogin } from '../features/sessions/complete-login.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import type { SessionService } from '../features/sessions/service.js'
import { isAuthorization, redirectAfterForm } from './authorize.js'
import type { Greeting } from './greeting.js'
import { setFlash, takeFlash } from './flash.js'
import { closed, consumes, Next, NextQuery, pageReplies, tags, Text } from './forms.js'
import type { SendPage } from './layout.js'
import type { FindLoginCaller, ShownLogin } from './login-form.js'
import type { AskFactor } from './factor-forms.js'
import type { SafeNext } from '../http/next.js'
import type { Visitors } from './visitor.js'

type Options = {
  sessions: SessionService
  completeLogin: CompleteLogin
  loginPage: ShownLogin
  findCaller: FindLoginCaller
  greet: Greeting
  visitors: Visitors
  cookies: SessionCookies
  send: SendPage
  safeNext: SafeNext
  askFactor: AskFactor
}

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
  const { sessions, completeLogin, loginPage, findCaller, greet, visitors, cookies } = options
  const { send, safeNext, askFactor } = options

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
      return loginPage.show(reply, { target: path, prompt, flash })
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
        const caller = await findCaller(request, reply, target)
        const login = await sessions.login(credentials, caller)
        const { user } = completeLogin(request, reply, login)
        if (!isAuthorization(target)) setFlash(cookies, reply, await greet(user.id))
      } catch (error) {
        const isPending = error instanceof AppError && error.code === 'second_factor_required'
        if (isPending) return askFactor(reply, error, target)
        return loginPage.refuse(reply, error, { target, name })
      }
      return redirectAfterForm(reply, send, target)
    },
  )
}
