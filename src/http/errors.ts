import type { FastifyBaseLogger, FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { addCookieLines } from './cookies.js'
import { failureFields } from '../db/outage.js'
import { AppError, errors as errorTable, type ErrorCode } from '../errors.js'
import { createDigest, createQuota } from '../log/digest.js'
import { sentenceOf } from './sentences.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** Logs an error with a status of 500 or above. */
    logFailure: (error: AppError, request: FastifyRequest) => void
  }
}

type Options = { log: FastifyBaseLogger }

// More errors in a second are counted in a digest, so that a flood of them does not fill the disk.
const linesPerSecond = 5

/**
 * Writes every error reply, except those of the OAuth endpoints, src/compat and src/pages, which call
 * prepareError().
 */
export const errors = fp<Options>(
  async (app, { log }) => {
    const admits = createQuota(linesPerSecond)
    // During an outage every request fails for the same reason, so 503s get no line each.
    const unavailable = createDigest<AppError>({
      write: ({ count, by, last }) =>
        log.warn({ count, by, ...failureFields(last) }, 'answered 503'),
    })
    const others = createDigest<AppError>({
      write: ({ count, by, last }) => log.error({ count, by, err: last }, 'further failures'),
    })
    app.decorate('logFailure', (error, request) => {
      const { code, statusCode } = error
      const key = `${code} ${request.method} ${request.routeOptions.url ?? 'unknown'}`
      if (statusCode === 503) unavailable.add(key, error)
      else if (admits()) log.error({ reqId: request.id, err: error }, code)
      else others.add(key, error)
    })
    app.addHook('onClose', async () => {
      unavailable.flush()
      others.flush()
    })
    app.setErrorHandler((error: FastifyError | AppError, request, reply) =>
      sendError(error, request, reply),
    )
  },
  { name: 'errors' },
)

// RFC 6750 §3: every 401 has a challenge, with an error code only if the request had a token.
const realm = 'Bearer realm="gatehouse"'

export function sendError(
  thrown: FastifyError | AppError,
  request: FastifyRequest,
  reply: FastifyReply,
) {
  const { code, message, fields, data } = prepareError(thrown, request, reply)
  const faults = fields?.map((fault) => ({ field: fault.field, message: sentenceOf(fault) }))
  return reply.send({ status: 'error', code, message, ...(faults && { errors: faults }), ...data })
}

/** Logs an error and sets the status and headers of the reply. The caller sends the body. */
export function prepareError(
  thrown: FastifyError | AppError,
  request: FastifyRequest,
  reply: FastifyReply,
): AppError {
  const error = toAppError(thrown)
  const { code, statusCode, retryAfter, headers = {}, cookies = [] } = error
  if (statusCode >= 500) request.server.logFailure(error, request)
  if (statusCode < 500 || statusCode === 503) {
    request.log.debug({ reqId: request.id, err: error }, 'refused')
  }
  if (statusCode === 401) reply.header('www-authenticate', challenge(code, request))
  if (retryAfter !== undefined) reply.header('retry-after', retryAfter)
  addCookieLines(reply, cookies)
  reply.headers(headers).header('cache-control', 'no-store').code(statusCode)
  return error
}

function challenge(code: ErrorCode, request: FastifyRequest): string {
  // RFC 9470 §3. Only a second factor is asked for.
  if (code === 'insufficient_user_authentication')
    return `${realm}, error="${code}", acr_values="mfa"`
  const sent = request.headers.authorization !== undefined && code !== 'invalid_credentials'
  return sent ? `${realm}, error="invalid_token"` : realm
}

const codeOfStatus: Record<number, ErrorCode> = {
  404: 'not_found',
  405: 'method_not_allowed',
  408: 'request_timeout',
  413: 'body_too_large',
  414: 'uri_too_long',
  415: 'unsupported_media_type',
  429: 'rate_limited',
  431: 'headers_too_large',
  503: 'unavailable',
}

/** Replaces errors of Fastify, its plugins or bugs: their messages may contain secrets. */
function toAppError(error: FastifyError | AppError): AppError {
  if (error instanceof AppError) return error
  const status = error.statusCode ?? 500
  const code = codeOfStatus[status] ?? (status >= 400 && status < 500 ? 'bad_request' : 'internal')
  return new AppError(code, { cause: error })
}

/** A whole HTTP reply as text, for bytes that are no HTTP request and so have no reply object. */
export function rawErrorReply(code: ErrorCode, requestId: string): string {
  const [status, message] = errorTable[code]
  const body = JSON.stringify({ status: 'error', code, message })
  return [
    `HTTP/1.1 ${status} ${message}`,
    'Content-Type: application/json; charset=utf-8',
    'Cache-Control: no-store',
    `X-Request-Id: ${requestId}`,
    'Connection: close',
    `Content-Length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ].join('\r\n')
}
