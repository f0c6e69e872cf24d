import accepts from 'accepts'
import type { FastifyRequest } from 'fastify'

/** HTTPie, curl and fetch ask for anything: they get JSON. */
export const wantsHtml = (request: FastifyRequest) =>
  accepts(request.raw).type(['json', 'html']) === 'html'
