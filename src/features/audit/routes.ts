import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { ok, replies } from '../../http/replies.js'
import type { AuditRepository } from './repository.js'
import { AuditQuery, AuditReply } from './schemas.js'

type Options = { audit: AuditRepository }

/** For administrators: what happened. */
export const auditRoutes: FastifyPluginAsyncTypebox<Options> = async (app, { audit }) => {
  app.get(
    '/api/audit',
    {
      schema: {
        summary: 'The audit log, newest first, by pages',
        tags: ['administration'],
        querystring: AuditQuery,
        response: replies({ 200: AuditReply }),
      },
    },
    async ({ query: { cursor, limit = '50', ...filter } }) => {
      const most = Number(limit)
      const found = await audit.list({
        ...filter,
        ...(cursor !== undefined && { before: cursor }),
        limit: most + 1,
      })
      const entries = found.slice(0, most)
      const next = found.length > most ? (entries.at(-1)?.id ?? null) : null
      return ok({ entries, next })
    },
  )
}
