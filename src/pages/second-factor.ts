import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyReply } from 'fastify'
import { AppError } from '../errors.js'
import { Code } from '../features/factors/schemas.js'
import type { CompleteLogin } from '../features/sessions/complete-login.js'
import { trustTtl, type SecondFactor } from '../features/sessions/second-factor.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import { ChallengeBody } from '../features/sessions/schemas.js'
import type { SafeNext } from '../http/next.js'
import { isAuthorization, redirectAfterForm } from './authorize.js'
import { setFlash } from './flash.js'
import { closed, consumes, hiddenNext, Next, pageReplies, tags, Text, withNext } from './forms.js'
import {
  codeForm,
  enrolmentView,
  factorPage,
  recoveryCodesView,
  setUpTitle,
} from './factor-forms.js'
import type { Greeting } from './greeting.js'
import type { SendPage } from './layout.js'
import type { Visitors } from './visitor.js'

type Options = {
  secondFactor: SecondFactor
  completeLogin: CompleteLogin
  greet: Greeting
  visitors: Visitors
  cookies: SessionCookies
  send: SendPage
  safeNext: SafeNext
}

/** Completes a login by a second factor. The challenge is in the form, and bound to a cookie of the browser. */
export const secondFactorPages: FastifyPluginAsyncTypebox<Options> = async (app, options) => {
  const { secondFactor, completeLogin, greet, visitors, cookies, send, safeNext } = options

  app.post(
    '/login/enrol',
    {
      schema: {
        summary: 'Show the key of the authenticator app that a login requires',
        tags,
        consumes,
        body: Type.Object({ ...ChallengeBody.properties, next: Next }, closed),
        response: pageReplies,
      },
    },
    async (request, reply) => {
      const { challenge, next } = request.body
      const target = safeNext(next)
      try {
        const caller = cookies.loginCaller(request, { isPage: true })
        const made = await secondFactor.enrol(challenge, caller)
        const hidden = { challenge, ...hiddenNext(target) }
        const content = [enrolmentView(made), codeForm(hidden, [])]
        return await send(reply, 200, { title: setUpTitle, content })
      } catch (error) {
        return startAgain(error, reply, target)
      }
    },
  )

  app.post(
    '/login/verify',
    {
      schema: {
        summary: 'Complete a login by the form for the second factor',
        tags,
        consumes,
        body: Type.Object(
          {
            ...ChallengeBody.properties,
            code: Code,
            trust: Type.Optional(Type.String({ maxLength: 16 })),
            methods: Text,
            next: Next,
          },
          closed,
        ),
        response: pageReplies,
      },
    },
    async (request, reply) => {
      const { challenge, code, trust, methods, next } = request.body
      const target = safeNext(next)
      // The new session joins the login of the present one, if that is of the same user.
      if (isAuthorization(target)) await visitors.find(request, reply)
      const caller = cookies.loginCaller(request, { isPage: true })
      try {
        const body = { challenge, code, trust: trust !== undefined }
        const { login, recovery_codes, trusted } = await secondFactor.verify(body, caller)
        const { user } = completeLogin(request, reply, login)
        request.visitor = user
        cookies.take(request, reply, 'challenge')
        if (trusted !== undefined) cookies.write(reply, 'trusted', trusted, trustTtl)
        if (recovery_codes) {
          const content = [recoveryCodesView(recovery_codes, target)]
          return await send(reply, 200, { title: 'Your recovery codes', content })
        }
        if (!isAuthorization(target)) setFlash(cookies, reply, await greet(user.id))
        return await redirectAfterForm(reply, send, target)
      } catch (error) {
        if (!(error instanceof AppError) || error.statusCode >= 500) throw error
        if (error.code === 'invalid_state') return await startAgain(error, reply, target)
        if (error.retryAfter !== undefined) reply.header('retry-after', error.retryAfter)
        const fault = error.code === 'invalid_code' ? 'The code is wrong.' : `${error.message}.`
        return send(reply, error.statusCode, {
          ...factorPage({ challenge, target, methods }),
          fault,
        })
      }
    },
  )

  /** The challenge is no longer valid: only another login helps. Rethrows any other error. */
  function startAgain(error: unknown, reply: FastifyReply, target: string): FastifyReply {
    if (!(error instanceof AppError) || error.code !== 'invalid_state') throw error
    setFlash(cookies, reply, 'login_expired')
    return reply.redirect(withNext('/login', target), 303)
  }
}
