import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { askingCaller } from '../features/codes/asker.js'
import { AppError } from '../errors.js'
import type { Limits } from '../features/limits/limits.js'
import { replies } from '../http/replies.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import { codeForm } from './codes.js'
import { addressField, closed, consumes, pageReplies, tags, Text, toAddress } from './forms.js'
import { renderForm, type SendPage } from './layout.js'
import type { ProofPage } from './proofs.js'
import type { Markup } from './views.js'

type Options = {
  proofs: ProofPage[]
  limits: Limits
  cookies: SessionCookies
  send: SendPage
  minLength: number
}

/** The pages to ask for a message. The answer is the same for every address, known or not. */
export const askingPages: FastifyPluginAsyncTypebox<Options> = async (
  app,
  { proofs, limits, cookies, send, minLength },
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

  for (const page of proofs) {
    if (!page.ask) continue
    const { path: action, title, send: ask } = page.ask

    app.get(
      action,
      { schema: { summary: `The form "${title}"`, tags, response: pageReplies } },
      async (_request, reply) => send(reply, 200, { title, content: [askForm({ action })] }),
    )

    app.post(
      action,
      {
        preHandler: limits.perNetwork('forgot'),
        schema: {
          summary: `Send the form "${title}"`,
          tags,
          consumes,
          body: Type.Object({ address: Text }, closed),
          response: pageReplies,
        },
      },
      async (request, reply) => {
        const { address = '' } = request.body
        try {
          await ask(toAddress(address), askingCaller(cookies, request, reply))
        } catch (error) {
          if (!(error instanceof AppError) || error.statusCode >= 500) throw error
          const faults = { address: 'Enter an e-mail address or a mobile number.' }
          const content = [askForm({ action, address, faults })]
          return send(reply, error.statusCode, { title, content })
        }
        const flash = 'If there is an account, a message is on its way.'
        const again = renderForm({
          text: 'No message after a few minutes? Look among the spam, or send it again.',
          button: 'Send it again',
          action,
          hidden: { address },
          fields: [],
        })
        return send(reply, 200, {
          title,
          flash,
          content: [codeForm(page, minLength, { values: { address } }), again],
        })
      },
    )
  }
}

type AskForm = { action: string; address?: string; faults?: Record<string, string> }

/** The form that sends another message. */
export function askForm({ action, address = '', faults = {} }: AskForm): Markup {
  const button = 'Send me a message'
  const values = { address }
  return renderForm({ button, action, fields: [addressField], takesFocus: true, values, faults })
}
