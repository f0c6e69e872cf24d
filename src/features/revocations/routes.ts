import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '@sinclair/typebox'
import { matchesEtag } from '../../http/documents.js'
import { replies } from '../../http/replies.js'
import type { RevocationService } from './service.js'

type Options = { revocations: RevocationService }

/** The revocation list for services that verify tokens themselves. */
export const revocationRoutes: FastifyPluginAsyncTypebox<Options> = async (
  app,
  { revocations },
) => {
  app.get(
    '/.well-known/revocations',
    {
      // The query has no schema: a malformed cursor gets the full list, not an error.
      schema: {
        summary: 'The revocations since a cursor, signed (`typ: revocations+jwt`)',
        description:
          '`?after=` takes the `next` of the last answer; without it, the full list follows',
        tags: ['tokens'],
        produces: ['application/jwt'],
        errors: ['not_found'],
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
