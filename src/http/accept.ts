import accepts from 'accepts'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** Whether the client prefers HTML to JSON. HTTPie, curl and fetch accept anything, so they get JSON. */
export const wantsHtml = (request: FastifyRequest) =>
  accepts(request.raw).type(['json', 'html']) === 'html'

/** Whether the client prefers plain text to JSON, as a shell script may. */
export const wantsText = (request: FastifyRequest) =>
  accepts(request.raw).type(['json', 'text/plain']) === 'text/plain'

/** Whether the client prefers CSV to JSON, as a spreadsheet may. */
export const wantsCsv = (request: FastifyRequest) =>
  accepts(request.raw).type(['json', 'text/csv']) === 'text/csv'

/** Tells caches that the reply depends on Accept too, beside the Origin of CORS (RFC 9110 §12.5.5). */
export function varyByAccept(reply: FastifyReply): FastifyReply {
  const before = reply.getHeader('vary')
  return reply.header('vary', before === undefined ? 'Accept' : `${String(before)}, Accept`)
}
