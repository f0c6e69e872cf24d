import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { countTotal, cursorOf, describeList, readPage, sendAsCsv } from '../../http/lists.js'
import { ok, replies } from '../../http/replies.js'
import { readTimes } from '../../http/times.js'
import type { AuditRepository } from './repository.js'
import { AuditEntry, auditSorts, AuditQuery, AuditReply } from './schemas.js'

type Options = { audit: AuditRepository; publicUrl: string }

/** The audit log, for administrators. */
export const auditRoutes: FastifyPluginAsyncTypebox<Options> = async (
  app,
  { audit, publicUrl },
) => {
  app.get(
    '/api/audit',
    {
      schema: {
        summary: 'The audit log in pages, newest first',
        description: describeList('The audit log in pages'),
        tags: ['administration'],
        querystring: AuditQuery,
        response: replies({ 200: AuditReply }),
      },
    },
    async (request, reply) => {
      const { limit, cursor, sort, total, ...query } = request.query
      const page = readPage(auditSorts, { limit, cursor, sort })
      const filter = { ...query, ...readTimes(query, ['created_after', 'created_before']) }
      const { rows: entries, end } = await audit.list(filter, page)
      const totals = await countTotal(total, (max) => audit.count(filter, max))
      const body = { entries, next: cursorOf(sort, end), ...totals }
      const list = { name: 'audit', schema: AuditEntry, publicUrl }
      return sendAsCsv(request, reply, list, { ...body, rows: entries }) ?? ok(body)
    },
  )
}
