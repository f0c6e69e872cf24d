import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { callerOf } from '../http/caller.js'
import { AppError } from '../errors.js'
import type { CompleteLogin } from '../features/sessions/complete-login.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import type { SessionService } from '../features/sessions/service.js'
import { setFlash, takeFlash } from './flash.js'
import {
  closed,
  consumes,
  NextQuery,
  pageReplies,
  readLoginName,
  tags,
  Text,
  withNext,
} from './forms.js'
import { renderForm, template, type SendPage } from './layout.js'
import type { SafeNext } from '../http/next.js'
import { providerButtons, type ProviderButton } from './providers.js'
import type { Visitors } from './visitor.js'

type Options = {
  sessions: SessionService
  completeLogin: CompleteLogin
  visitors: Visitors
  cookies: SessionCookies
  send: SendPage
  providers: ProviderButton[]
  safeNext: SafeNext
}

const otherWays = template<{ register: string }>(
  `<p><a href="/forgot">Forgot your password?</a> · <a href="<%= it.register %>">Register</a></p>
`,
)

const LoginQuery = Type.Object({
  ...NextQuery.properties,
  cookies: Type.Optional(
    Type.String({ description: '`clear`: without the cookies that another host set for `next`' }),
  ),
})

/** Signing in. */
export const loginPages: FastifyPluginAsyncTypebox<Options> = async (app, options) => {
  const { sessions, completeLogin, visitors, cookies, send, providers, safeNext } = options

  app.get(
    '/login',
    { schema: { summary: 'The login form', tags, querystring: LoginQuery, response: pageReplies } },
    async (request, reply) => {
      const { next, cookies: wish } = request.query
      const path = safeNext(next)
      if (wish === 'clear' && path.startsWith('/')) cookies.clearFor(path, request, reply)
      const user = await visitors.find(request, reply)
      if (user) return reply.redirect(path, 303)
      const flash = takeFlash(cookies, request, reply)
      return send(reply, 200, { title: 'Log in', flash, content: loginForm(request.query.next) })
    },
  )

  app.post(
    '/login',
    {
      schema: {
        summary: 'The login form, filled in',
        tags,
        consumes,
        querystring: NextQuery,
        body: Type.Object(
          { username: Text, email: Text, mobile: Text, password: Text, next: Text },
          closed,
        ),
        response: pageReplies,
      },
    },
    async (request, reply) => {
      const { username, email, mobile, password = '', next = request.query.next } = request.body
      const name = username ?? email ?? mobile ?? ''
      try {
        const who = { ...readLoginName(name), password }
        const caller = callerOf(request)
        const mark = cookies.read(request, 'device')
        completeLogin(request, reply, await sessions.login(who, caller, mark))
      } catch (error) {
        if (!(error instanceof AppError) || error.statusCode >= 500) throw error
        // A name that is none is one that nobody has.
        const isName = error.code === 'validation_failed'
        const fault = isName ? 'Invalid credentials.' : `${error.message}.`
        if (error.headers) reply.headers(error.headers)
        if (error.retryAfter !== undefined) reply.header('retry-after', error.retryAfter)
        const content = loginForm(next, name)
        return send(reply, isName ? 401 : error.statusCode, { title: 'Log in', fault, content })
      }
      setFlash(cookies, reply, 'logged_in')
      return reply.redirect(safeNext(next), 303)
    },
  )

  function loginForm(next: string | undefined, name = ''): string {
    const form = renderForm({
      button: 'Log in',
      takesFocus: true,
      hidden: next === undefined ? {} : { next },
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
    return (
      form + providerButtons(providers, next) + otherWays({ register: withNext('/register', next) })
    )
  }
}
