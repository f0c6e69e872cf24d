import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { AppError } from '../errors.js'
import type { Limits } from '../features/limits/limits.js'
import type { Disowned, LoginNoticeService } from '../features/login-notices/service.js'
import { placeOf } from '../features/messages/noticed-login.js'
import { callerOf } from '../http/caller.js'
import { replies } from '../http/replies.js'
import { askForm } from './asking.js'
import { closed, consumes, Html, tags } from './forms.js'
import { renderForm, type Page, type SendPage } from './layout.js'

type Options = { loginNotices: LoginNoticeService; limits: Limits; send: SendPage }

const path = '/not-me'
const title = 'This was not me'
const Token = Type.String({ maxLength: 200 })

const ended = 'The login was ended, and the account was logged out everywhere.'
const check = 'When you are back, look for passkeys and connected logins that are not yours.'

const texts: Record<Disowned, string> = {
  sent: `${ended} We sent you a message: choose another password with it. ${check}`,
  kept: `${ended} There is no password to reset, or no address to send a message to. Secure the login that you use instead. ${check}`,
  before: 'This was done already. If you have no new password yet, get a message to choose one.',
}

/** The page behind the link of a message about a login. Only its button does something, and only once. */
export const notMePages: FastifyPluginAsyncTypebox<Options> = async (
  app,
  { loginNotices, limits, send },
) => {
  app.get(
    path,
    {
      schema: {
        summary: `The page "${title}"; changes nothing`,
        tags,
        querystring: Type.Object({ token: Type.Optional(Token) }),
        response: replies({ 200: Html }),
      },
    },
    async ({ query: { token = '' } }, reply) => {
      const login = await loginNotices.find(token)
      if (!login) return send(reply, 200, expiredPage())
      if (login.used_at !== null) return send(reply, 200, donePage('before'))
      const text = `The login: ${placeOf(login)}. If it was not you, press the button. It logs the account out everywhere, ends its API keys and removes its password. A second factor stays.`
      const form = renderForm({ text, button: title, fields: [], hidden: { token } })
      return send(reply, 200, { title, content: [form] })
    },
  )

  app.post(
    path,
    {
      preHandler: limits.perNetwork('codes'),
      schema: {
        summary: `The form of the page "${title}"`,
        tags,
        consumes,
        body: Type.Object({ token: Token }, closed),
        response: replies({ 200: Html }),
      },
    },
    async (request, reply) => {
      const { token } = request.body
      const done = await loginNotices.disown(token, callerOf(request)).catch((error: unknown) => {
        if (error instanceof AppError && error.code === 'invalid_code') return undefined
        throw error
      })
      return done ? send(reply, 200, donePage(done)) : send(reply, 400, expiredPage())
    },
  )
}

function donePage(done: Disowned): Page {
  const content = done === 'before' ? [askForm({ action: '/forgot' })] : []
  return { title, flash: texts[done], content }
}

function expiredPage(): Page {
  const fault =
    'This link is unknown or has expired. If someone else uses your account, reset your password now.'
  return { title, fault, content: [askForm({ action: '/forgot' })] }
}
