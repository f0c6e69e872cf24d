import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { callerOf } from '../http/caller.js'
import { AppError } from '../errors.js'
import type { SessionCookies } from '../features/sessions/session-cookies.js'
import type { Limits } from '../features/limits/limits.js'
import { replies } from '../http/replies.js'
import { askForm } from './asking.js'
import { renderForm, type Page, type SendPage } from './layout.js'
import { consumes, faultsOf, Html, newPassword, tags } from './forms.js'
import type { ProofPage } from './proofs.js'

type Options = {
  proofs: ProofPage[]
  cookies: SessionCookies
  limits: Limits
  send: SendPage
  minLength: number
}

const LinkQuery = Type.Object({ token: Type.Optional(Type.String({ maxLength: 200 })) })
const LinkForm = Type.Object(
  {
    token: Type.String({ maxLength: 200 }),
    new_password: Type.Optional(Type.String({ maxLength: 1_024 })),
    username: Type.Optional(Type.String({ maxLength: 1_024 })),
  },
  { additionalProperties: false },
)

/** The pages behind the links in our messages. The page shows a button, and only the button uses the link. */
export const linkPages: FastifyPluginAsyncTypebox<Options> = async (
  app,
  { proofs, cookies, limits, send, minLength },
) => {
  for (const page of proofs) {
    const { path, act, done, title, text, button, asksPassword } = page
    const fields = asksPassword ? [newPassword('new_password', 'New password', minLength)] : []

    /** The form of a valid link. Of any other, people learn before they type a password. */
    const pageOf = async (token: string, faults: Record<string, string> = {}): Promise<Page> => {
      const address = await page.findAddress(token)
      if (address === undefined) return { title, ...endOf(page) }
      const username = asksPassword ? address : undefined
      const hidden = { token }
      const form = renderForm({ text, button, fields, username, takesFocus: true, hidden, faults })
      return { title, content: [form] }
    }

    app.get(
      path,
      {
        schema: {
          summary: `The page "${title}"; changes nothing`,
          tags,
          querystring: LinkQuery,
          response: replies({ 200: Html }),
        },
      },
      async ({ query }, reply) => send(reply, 200, await pageOf(query.token ?? '')),
    )

    app.post(
      path,
      {
        preHandler: limits.perNetwork('codes'),
        schema: {
          summary: `The form of the page "${title}"`,
          tags,
          consumes,
          body: LinkForm,
          response: replies({ 200: Html }),
        },
      },
      async (request, reply) => {
        const { token, new_password = '' } = request.body
        try {
          const { device } = await act({ token }, new_password, callerOf(request))
          if (device !== undefined) cookies.setDevice(reply, device)
        } catch (error) {
          if (!(error instanceof AppError) || error.statusCode >= 500) throw error
          const shown = await pageOf(token, faultsOf(error))
          return send(reply, error.statusCode, { fault: `${error.message}.`, ...shown })
        }
        return send(reply, 200, { title, flash: done, content: [] })
      },
    )
  }
}

/** What a link that is not valid says, and how to get another. */
function endOf({ ask }: ProofPage): Pick<Page, 'fault' | 'content'> {
  const fault = 'This link has expired, or it was used already.'
  if (ask) return { fault, content: [askForm({ action: ask.path })] }
  return { fault: `${fault} Change the address again to get another.`, content: [] }
}
