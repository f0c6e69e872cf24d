import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { AppError } from '../../errors.js'
import { prepareError } from '../../http/errors.js'
import { sharedErrors } from './schemas.js'

/** Sends an error in the form of RFC 6749 §5.2. Status, headers and log are as for any other error. */
export function sendOAuthError(
  thrown: FastifyError | AppError,
  request: FastifyRequest,
  reply: FastifyReply,
) {
  const error = prepareError(thrown, request, reply)
  const [fault] = error.fields ?? []
  const text = fault ? `${fault.field} ${fault.message}` : error.message
  // RFC 6749 §5.2 wants 400, not 415, for a body that is not a form.
  if (error.statusCode === 415) reply.code(400)
  return reply.send({ error: oauthCodeOf(error), error_description: printable(text) })
}

function oauthCodeOf({ code, statusCode }: AppError): string {
  if (sharedErrors.includes(code)) return code
  if (code === 'internal') return 'server_error'
  return statusCode >= 500 || statusCode === 429 ? 'temporarily_unavailable' : 'invalid_request'
}

/** Replaces characters that RFC 6749 §5.2 forbids. The name of a parameter may contain any character. */
const printable = (text: string) => text.replaceAll(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, '?')
