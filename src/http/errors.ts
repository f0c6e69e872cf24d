import type { FastifyBaseLogger, FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { addLines } from './cookies.js'
import { AppError, errors as table, type ErrorCode, type FieldError } from '../errors.js'
import { createDigest, createQuota } from '../log/digest.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** Logs a failure that is ours, status 500 or above. */
    logFailure: (error: AppError, request: FastifyRequest) => void
  }
}

type Options = { log: FastifyBaseLogger }

// A flood of failures must not fill the disk.
const linesPerSecond = 5

/** The only place that writes an error reply. */
export const errors = fp<Options>(
  async (app, { log }) => {
    const admits = createQuota(linesPerSecond)
    // In an outage every request fails for the same reason.
    const unavailable = createDigest<AppError>({
      write: ({ count, by, last }) => log.warn({ count, by, err: last }, 'answered 503'),
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
    app.setNotFoundHandler((request, reply) => sendError(new AppError('not_found'), request, reply))
  },
  { name: 'errors' },
)

// RFC 6750 §3: a challenge with every 401; the error only where a token was sent.
const realm = 'Bearer realm="gatehouse"'

export function sendError(
  thrown: FastifyError | AppError,
  request: FastifyRequest,
  reply: FastifyReply,
) {
  const { code, message, fields } = prepareError(thrown, request, reply)
  return reply.send({ status: 'error', code, message, ...(fields && { errors: fields }) })
}

/** Logs what was thrown and sets status and headers; the body is the caller's. */
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
  addLines(reply, cookies)
  reply.headers(headers).header('cache-control', 'no-store').code(statusCode)
  return error
}

function challenge(code: ErrorCode, request: FastifyRequest): string {
  const sent = request.headers.authorization !== undefined && code !== 'invalid_credentials'
  return sent ? `${realm}, error="invalid_token"` : realm
}

const codeOfStatus: Record<number, ErrorCode> = {
  404: 'not_found',
  408: 'request_timeout',
  413: 'body_too_large',
  414: 'uri_too_long',
  415: 'unsupported_media_type',
  429: 'rate_limited',
  431: 'headers_too_large',
  503: 'unavailable',
}

/** What Fastify, its plugins or a bug throws, in our own words: theirs may hold what is secret. */
function toAppError(error: FastifyError | AppError): AppError {
  if (error instanceof AppError) return error
  if (error.validation) return new AppError('validation_failed', { fields: fieldsOf(error) })
  const status = error.statusCode ?? 500
  const code = codeOfStatus[status] ?? (status >= 400 && status < 500 ? 'bad_request' : 'internal')
  return new AppError(code, { cause: error })
}

function fieldsOf({ validation = [], validationContext }: FastifyError): FieldError[] {
  return validation.map(({ instancePath, params, message = 'is not valid' }) => {
    const { missingProperty, additionalProperty } = params as Record<string, string | undefined>
    const path = instancePath.slice(1).replaceAll('/', '.')
    const name = missingProperty ?? additionalProperty
    const field =
      [path, name].filter(Boolean).join('.').slice(0, 100) || validationContext || 'body'
    if (missingProperty !== undefined) return { field, message: 'is required' }
    if (additionalProperty !== undefined) return { field, message: 'is not known' }
    return { field, message }
  })
}

/** The reply to what is not even a request, written to the bare socket. */
export function rawErrorReply(code: ErrorCode): string {
  const [status, message] = table[code]
  const body = JSON.stringify({ status: 'error', code, message })
  return [
    `HTTP/1.1 ${status} ${message}`,
    'Content-Type: application/json; charset=utf-8',
    'Cache-Control: no-store',
    'Connection: close',
    `Content-Length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ].join('\r\n')
}
