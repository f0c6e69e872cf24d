import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { ok, replies } from '../../http/replies.js'
import type { AuditRepository } from './repository.js'
import { AuditQuery, AuditReply } from './schemas.js'

type Options = { audit: AuditRepository }

/** The audit log, for administrators. */
export const auditRoutes: FastifyPluginAsyncTypebox<Options> = async (app, { audit }) => {
  app.get(
    '/api/audit',
    {
      schema: {
        summary: 'The audit log in pages, newest first',
        tags: ['administration'],
        querystring: AuditQuery,
        response: replies({ 200: AuditReply }),
      },
    },
    async ({ query: { cursor, limit = '50', ...filter } }) => {
      const pageSize = Number(limit)
      const found = await audit.list({
        ...filter,
        ...(cursor !== undefined && { before: cursor }),
        limit: pageSize + 1,
      })
      const entries = found.slice(0, pageSize)
      const next = found.length > pageSize ? (entries.at(-1)?.id ?? null) : null
      return ok({ entries, next })
    },
  )
}
