import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyReply } from 'fastify'
import { AppError } from '../errors.js'
import type { Limits } from '../features/limits/limits.js'
import type { PasskeyLogins } from '../features/passkeys/logins.js'
import { Assertion } from '../features/passkeys/schemas.js'
import type { CompleteLogin } from '../features/sessions/complete-login.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import type { SafeNext } from '../http/next.js'
import { isAuthorization, redirectAfterForm } from './authorize.js'
import { factorPage, type AskFactor } from './factor-forms.js'
import { setFlash } from './flash.js'
import { closed, consumes, Next, pageReplies, tags, Text, withNext } from './forms.js'
import type { Greeting } from './greeting.js'
import type { SendPage } from './layout.js'
import type { FindLoginCaller, ShownLogin } from './login-form.js'
import { CredentialText, readCredential } from './passkey-form.js'

type Options = {
  passkeyLogins: PasskeyLogins
  completeLogin: CompleteLogin
  loginPage: ShownLogin
  findCaller: FindLoginCaller
  greet: Greeting
  limits: Limits
  cookies: SessionCookies
  send: SendPage
  safeNext: SafeNext
  askFactor: AskFactor
}

/** Takes the answer of a passkey that the script of the login page sends as a form. */
export const passkeyLoginPages: FastifyPluginAsyncTypebox<Options> = async (app, options) => {
  const { passkeyLogins, completeLogin, loginPage, findCaller, greet, limits, cookies } = options
  const { send, safeNext, askFactor } = options

  app.post(
    '/login/passkey',
    {
      preHandler: limits.perNetwork('login'),
      errorHandler(error, request, reply) {
        if (error.code !== 'rate_limited') throw error
        const { next } = request.body as { next?: string }
        return loginPage.refuse(reply, error, { target: safeNext(next) })
      },
      schema: {
        summary: 'Log in by a passkey on the login page, or complete a login by one',
        tags,
        consumes,
        body: Type.Object(
          { credential: CredentialText, challenge: Text, methods: Text, prompt: Text, next: Next },
          closed,
        ),
        response: pageReplies,
      },
    },
    async (request, reply) => {
      const { challenge, methods, prompt, next } = request.body
      const target = safeNext(next)
      try {
        const credential = readCredential(request, Assertion, request.body.credential)
        const caller = await findCaller(request, reply, target)
        const body = { credential, ...(challenge !== undefined && { challenge }) }
        const login = await passkeyLogins.logIn(body, caller)
        const { user } = completeLogin(request, reply, login)
        cookies.take(request, reply, 'challenge')
        if (!isAuthorization(target)) setFlash(cookies, reply, await greet(user.id))
      } catch (error) {
        if (!(error instanceof AppError)) throw error
        if (error.code === 'second_factor_required') return askFactor(reply, error, target)
        if (challenge === undefined) return loginPage.refuse(reply, error, { target, prompt })
        return refuseSecond(reply, error, { challenge, target, methods })
      }
      return redirectAfterForm(reply, send, target)
    },
  )

  /** The login still waits after a wrong answer, but not after too many of them. */
  function refuseSecond(
    reply: FastifyReply,
    error: AppError,
    waiting: Parameters<typeof factorPage>[0],
  ): FastifyReply {
    if (error.statusCode >= 500) throw error
    if (error.code === 'invalid_state') {
      setFlash(cookies, reply, 'login_expired')
      return reply.redirect(withNext('/login', waiting.target), 303)
    }
    if (error.retryAfter !== undefined) reply.header('retry-after', error.retryAfter)
    return send(reply, error.statusCode, { ...factorPage(waiting), fault: `${error.message}.` })
  }
}
