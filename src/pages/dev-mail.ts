import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import { AppError } from '../errors.js'
import { toHtml } from '../features/messages/layout.js'
import type { KeptMessage, Mailbox } from '../features/messages/mailbox.js'
import { tags } from './forms.js'
import type { SendPage } from './layout.js'
import { compileView } from './views.js'

type Options = { mailbox: Mailbox; publicUrl: string; send: SendPage }

const list = compileView<{ messages: readonly KeptMessage[] }>('dev-mail')

/** A mail has a style of its own, and no script. It may read nothing of this origin (CSP Level 3). */
const ofMail = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"

/** The messages as they look, for a developer on this machine. No other service has these pages. */
export const devMailPages: FastifyPluginAsyncTypebox<Options> = async (
  app,
  { mailbox, publicUrl, send },
) => {
  const { host } = new URL(publicUrl)
  const schema = { tags, hide: true }

  app.get('/dev/mail', { schema }, async (request, reply) => {
    requireDeveloper(request)
    const messages = mailbox.list()
    return send(reply, 200, { title: 'Messages', content: [list({ messages })] })
  })

  app.get(
    '/dev/mail/:id',
    { schema: { ...schema, params: Type.Object({ id: Type.String({ maxLength: 40 }) }) } },
    async (request, reply) => {
      requireDeveloper(request)
      const kept = mailbox.find(Number(request.params.id))
      if (!kept) throw new AppError('not_found')
      return reply
        .header('content-security-policy', ofMail)
        .type('text/html; charset=utf-8')
        .serializer(String)
        .send(toHtml(kept.content))
    },
  )

  /**
   * The page shows codes, so it answers only requests of this machine. The check of Host refuses a site
   * whose name resolves to this machine (DNS rebinding).
   * @throws AppError `not_found`
   */
  function requireDeveloper({ raw, socket }: FastifyRequest): void {
    const isLocal = /^(?:::ffff:)?127\.|^::1$/.test(socket.remoteAddress ?? '')
    if (!isLocal || raw.headers.host !== host) throw new AppError('not_found')
  }
}
