import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { matchesEtag } from '../../http/documents.js'
import { replies } from '../../http/replies.js'
import type { RevocationService } from './service.js'

type Options = { revocations: RevocationService }

/** What other services need to know of revocations on their own. */
export const revocationRoutes: FastifyPluginAsyncTypebox<Options> = async (
  app,
  { revocations },
) => {
  app.get(
    '/.well-known/revocations',
    {
      // No schema for the query: a cursor that is wrong gets the whole list, and no refusal.
      schema: {
        summary: 'What was revoked since a cursor, signed (`typ: revocations+jwt`)',
        description: '`?after=` the `next` of the answer before; without it, all that is revoked',
        tags: ['tokens'],
        produces: ['application/jwt'],
        response: replies({ 200: Type.String(), 304: Type.Null() }),
      },
    },
    async (request, reply) => {
      const { after } = request.query as { after?: unknown }
      const { token, etag } = await revocations.read(typeof after === 'string' ? after : undefined)
      reply.headers({ etag, 'cache-control': 'public, no-cache' })
      if (matchesEtag(request, etag)) return reply.code(304).send(null)
      return reply.type('application/jwt').serializer(String).send(token)
    },
  )
}
