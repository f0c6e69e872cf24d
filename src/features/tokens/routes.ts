import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { createDocumentOf, sendDocument } from '../../http/documents.js'
import { replies } from '../../http/replies.js'
import { jwksMaxAge } from '../../config/key-life.js'
import type { Keyring } from './keyring.js'
import { JwkSet } from './schemas.js'

type Options = { keyring: Keyring }

/** What other services need to verify a token on their own. */
export const wellKnownRoutes: FastifyPluginAsyncTypebox<Options> = async (app, { keyring }) => {
  const documentOf = createDocumentOf()

  app.get(
    '/.well-known/jwks.json',
    {
      schema: {
        summary: 'The keys that tokens are signed with (RFC 7517)',
        tags: ['tokens'],
        response: replies({ 200: JwkSet, 304: Type.Null() }),
      },
    },
    async (request, reply) => {
      // By the schema, which has no private member.
      const text = String(reply.serializeInput(keyring.jwks(), '200'))
      return sendDocument(request, reply, documentOf(text), jwksMaxAge)
    },
  )
}
