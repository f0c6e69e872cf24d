import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyReply } from 'fastify'
import { AppError } from '../errors.js'
import { Code, type Enrolment } from '../features/factors/schemas.js'
import type { CompleteLogin } from '../features/sessions/complete-login.js'
import { trustTtl, type SecondFactor } from '../features/sessions/second-factor.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import { ChallengeBody } from '../features/sessions/schemas.js'
import type { SafeNext } from '../http/next.js'
import { isAuthorization, redirectAfterForm } from './authorize.js'
import { setFlash } from './flash.js'
import { closed, consumes, hiddenNext, Next, pageReplies, tags, withNext } from './forms.js'
import type { Greeting } from './greeting.js'
import { renderForm, type Field, type SendPage } from './layout.js'
import { compileView, type Markup } from './views.js'
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

const enrolment = compileView<Pick<Enrolment, 'key' | 'qr'>>('enrolment')
const recoveryCodes = compileView<{ codes: string[]; next: string }>('recovery-codes')

const title = 'Confirm your login'
const setUpTitle = 'Add a second factor'

export const codeField: Field = {
  name: 'code',
  label: 'Code',
  autocomplete: 'one-time-code',
  required: true,
}

const trustField: Field = {
  name: 'trust',
  label: 'Do not ask on this device for 30 days',
  type: 'checkbox',
}

/** What a page shows to confirm an authenticator app. */
export const enrolmentView = ({ key, qr }: Enrolment): Markup => enrolment({ key, qr })

/** Returns a function that asks for the second factor of a login, after `second_factor_required`. */
export function createAskFactor(send: SendPage) {
  return (reply: FastifyReply, error: AppError, target: string): FastifyReply => {
    const { challenge, methods } = error.data as { challenge: string; methods: string[] }
    const isEnrolment = methods.includes('enrol_totp')
    return isEnrolment
      ? send(reply, 403, { title: setUpTitle, content: [setUpForm(challenge, target)] })
      : send(reply, 403, { title, content: [codeForm(challenge, target)] })
  }
}

export type AskFactor = ReturnType<typeof createAskFactor>

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
        const content = [enrolmentView(made), codeForm(challenge, target, [])]
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
            next: Next,
          },
          closed,
        ),
        response: pageReplies,
      },
    },
    async (request, reply) => {
      const { challenge, code, trust, next } = request.body
      const target = safeNext(next)
      // The new session joins the login of the present one, if that is of the same user.
      if (isAuthorization(target)) await visitors.find(request, reply)
      const caller = cookies.loginCaller(request, { isPage: true })
      try {
        const body = { challenge, code, trust: trust !== undefined }
        const { login, recovery_codes, trusted } = await secondFactor.verify(body, caller)
        const { user } = completeLogin(request, reply, login)
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
        const content = [codeForm(challenge, target)]
        return send(reply, error.statusCode, { title, fault, content })
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

/** What a page shows once after recovery codes were made. */
export const recoveryCodesView = (codes: string[], next: string): Markup =>
  recoveryCodes({ codes, next })

function codeForm(challenge: string, target: string, others: Field[] = [trustField]): Markup {
  const hint = 'Of your authenticator app, or a recovery code.'
  return renderForm({
    button: 'Log in',
    action: '/login/verify',
    takesFocus: true,
    hidden: { challenge, ...hiddenNext(target) },
    fields: [{ ...codeField, ...(others.length > 0 && { hint }) }, ...others],
  })
}

function setUpForm(challenge: string, target: string): Markup {
  return renderForm({
    text: 'This service requires a second factor: the code of an authenticator app on your phone.',
    button: 'Continue',
    action: '/login/enrol',
    hidden: { challenge, ...hiddenNext(target) },
    fields: [],
  })
}
