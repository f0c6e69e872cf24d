import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { AppError } from '../../errors.js'
import { prepareError } from '../../http/errors.js'

const own = ['invalid_client', 'invalid_grant', 'invalid_scope', 'unsupported_grant_type']

/** Errors as RFC 6749 §5.2 spells them, with the status, the headers and the log of any other. */
export function sendOAuthError(
  thrown: FastifyError | AppError,
  request: FastifyRequest,
  reply: FastifyReply,
) {
  const error = prepareError(thrown, request, reply)
  const [fault] = error.fields ?? []
  const text = fault ? `${fault.field} ${fault.message}` : error.message
  // What is no form is a bad request as any other, says the RFC.
  if (error.statusCode === 415) reply.code(400)
  return reply.send({ error: nameOf(error), error_description: printable(text) })
}

function nameOf({ code, statusCode }: AppError): string {
  if (own.includes(code)) return code
  if (code === 'internal') return 'server_error'
  return statusCode >= 500 || statusCode === 429 ? 'temporarily_unavailable' : 'invalid_request'
}

/** Of the characters that the RFC allows: the name of a parameter may have any. */
const printable = (text: string) => text.replaceAll(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, '?')
