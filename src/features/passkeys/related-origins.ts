import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { createDocument, sendDocument } from '../../http/documents.js'
import { replies } from '../../http/replies.js'
import { RelatedOrigins } from './schemas.js'

type Options = { relatedOrigins: string[] }

const maxAge = 3_600 // seconds

/** Tells browsers which other origins may use the passkeys of this host (WebAuthn §5.11). */
export const relatedOriginsRoute: FastifyPluginAsyncTypebox<Options> = async (
  app,
  { relatedOrigins },
) => {
  const document = createDocument(JSON.stringify({ origins: relatedOrigins }))

  app.get(
    '/.well-known/webauthn',
    {
      schema: {
        summary: 'The origins of `RELATED_ORIGINS`, which may use the passkeys of this host',
        tags: ['passkeys'],
        response: replies({ 200: RelatedOrigins, 304: Type.Null() }),
      },
    },
    async (request, reply) => sendDocument(request, reply, document, maxAge),
  )
}
