import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../errors.js'
import { prepareError, sendError } from '../http/errors.js'
import { wantsHtml } from '../http/accept.js'
import { createPageSender } from './layout.js'
import { compileView } from './views.js'

type Options = { appName: string; corsOrigins: string[]; offersRegistration: boolean }

const notFound = compileView('not-found')

/** Returns the handler of unknown paths: a page for browsers, JSON for other clients. */
export function createNotFoundHandler(options: Options) {
  const send = createPageSender(options)
  return (request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const error = new AppError('not_found')
    if (!wantsHtml(request)) return sendError(error, request, reply)
    const { statusCode } = prepareError(error, request, reply)
    return send(reply, statusCode, { title: 'Page not found', content: [notFound({})] })
  }
}
