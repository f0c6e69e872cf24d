import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { createDocumentCache, sendDocument } from '../../http/documents.js'
import { replies } from '../../http/replies.js'
import { jwksMaxAge } from '../../config/key-life.js'
import type { Keyring } from './keyring.js'
import { JwkSet } from './schemas.js'

type Options = { keyring: Keyring }

/** The JWK set for services that verify tokens themselves. */
export const wellKnownRoutes: FastifyPluginAsyncTypebox<Options> = async (app, { keyring }) => {
  const documentOf = createDocumentCache()

  app.get(
    '/.well-known/jwks.json',
    {
      schema: {
        summary: 'The public keys that verify access tokens (RFC 7517)',
        tags: ['tokens'],
        response: replies({ 200: JwkSet, 304: Type.Null() }),
      },
    },
    async (request, reply) => {
      // Serialized by the schema, which has no private member.
      const text = String(reply.serializeInput(keyring.jwks(), '200'))
      return sendDocument(request, reply, documentOf(text), jwksMaxAge)
    },
  )
}
