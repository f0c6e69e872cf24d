import accepts from 'accepts'
import type { FastifyRequest } from 'fastify'

/** Whether the client prefers HTML to JSON. HTTPie, curl and fetch accept anything, so they get JSON. */
export const wantsHtml = (request: FastifyRequest) =>
  accepts(request.raw).type(['json', 'html']) === 'html'

/** Whether the client prefers plain text to JSON, as a shell script may. */
export const wantsText = (request: FastifyRequest) =>
  accepts(request.raw).type(['json', 'text/plain']) === 'text/plain'
