import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { AccountService } from '../features/registration/service.js'
import { askingCaller } from '../features/codes/asker.js'
import { AppError } from '../errors.js'
import { kindOf } from '../features/identifiers/identifiers.js'
import type { Limits } from '../features/limits/limits.js'
import { replies } from '../http/replies.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import { closed, consumes, pageReplies, tags, Text } from './forms.js'
import { renderForm, type SendPage } from './layout.js'
import type { Markup } from './views.js'

type Options = {
  accounts: Pick<AccountService, 'forgot'>
  limits: Limits
  cookies: SessionCookies
  send: SendPage
}

/** The page to ask for a new password. */
export const forgotPages: FastifyPluginAsyncTypebox<Options> = async (
  app,
  { accounts, limits, cookies, send },
) => {
  // Password managers open this path (W3C, "A Well-Known URL for Changing Passwords").
  app.get(
    '/.well-known/change-password',
    {
      schema: {
        summary: 'Redirect to the page for a new password',
        tags,
        response: replies({ 302: Type.Null() }),
      },
    },
    async (_request, reply) => reply.redirect('/forgot', 302),
  )

  app.get(
    '/forgot',
    { schema: { summary: 'The form to ask for a new password', tags, response: pageReplies } },
    async (_request, reply) =>
      send(reply, 200, { title: 'Forgot your password?', content: [forgotForm()] }),
  )

  app.post(
    '/forgot',
    {
      preHandler: limits.perNetwork('forgot'),
      schema: {
        summary: 'Ask for a new password with the form',
        tags,
        consumes,
        body: Type.Object({ address: Text }, closed),
        response: pageReplies,
      },
    },
    async (request, reply) => {
      const title = 'Forgot your password?'
      const { address = '' } = request.body
      try {
        const caller = askingCaller(cookies, request, reply)
        const isMobile = kindOf(address) === 'mobile'
        await accounts.forgot(isMobile ? { mobile: address } : { email: address || ' ' }, caller)
      } catch (error) {
        if (!(error instanceof AppError) || error.statusCode >= 500) throw error
        const faults = { address: 'Enter an e-mail address or a mobile number.' }
        return send(reply, error.statusCode, { title, content: [forgotForm(address, faults)] })
      }
      const flash = 'If there is an account, a message is on its way.'
      return send(reply, 200, { title, flash, content: [] })
    },
  )
}

function forgotForm(address = '', faults: Record<string, string> = {}): Markup {
  const label = 'E-mail address or mobile number'
  const field = { name: 'address', label, autocomplete: 'username', required: true }
  const button = 'Send me a message'
  return renderForm({ button, fields: [field], takesFocus: true, values: { address }, faults })
}
