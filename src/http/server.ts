import proxyAddr from '@fastify/proxy-addr'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { isRepeated } from '@gatehouse/verify/protocol'
import Fastify, { LogController, type FastifyBaseLogger, type preParsingHookHandler } from 'fastify'
import type { Socket } from 'node:net'
import { AppError, type ErrorCode } from '../errors.js'
import { serializerCompiler, validatorCompiler } from './compilers.js'
import { rawErrorReply, sendError } from './errors.js'
import { createRequestIds } from './request-ids.js'

type Options = { trustProxy: string[]; log: FastifyBaseLogger }

/**
 * Fastify with limits for sizes and times, and without its own conversions of input. The deadline of each
 * reply is set in http/requests.ts.
 */
export function createServer({ trustProxy, log }: Options) {
  const isTrusted = proxyAddr.compile(trustProxy)
  const newId = createRequestIds((address) => isTrusted(address, 0))
  const app = Fastify({
    // All requests share one logger. http/requests.ts writes the log line of each request.
    childLoggerFactory: () => log,
    logController: new FaultLog(),
    genReqId: newId,
    requestIdHeader: false,
    pluginTimeout: 60_000, // loading the denylist takes time
    trustProxy: trustProxy.length > 0 ? isTrusted : false,
    bodyLimit: 16_384,
    requestTimeout: 10_000,
    connectionTimeout: 15_000,
    keepAliveTimeout: 72_000,
    http: {
      headersTimeout: 8_000,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: 16_384,
      requireHostHeader: false, // requireUnambiguous checks it, and answers with our error body
    },
    routerOptions: { maxParamLength: 256 },
    exposeHeadRoutes: false, // http/methods.ts adds them
    return503OnClosing: false,
    frameworkErrors: (error, request, reply) =>
      void sendError(error, request, reply.header('x-request-id', request.id)),
    clientErrorHandler: (error, socket) => answerClientError(error, socket, { id: newId(), log }),
  })
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  app.addHook('preParsing', requireUnambiguous)
  // Without a listener Node answers 417 to an unknown Expect header; requireUnambiguous answers 400.
  app.server.on('checkExpectation', (...request) => app.server.emit('request', ...request))
  return app.withTypeProvider<TypeBoxTypeProvider>()
}

// A browser sends about 20 headers. Node silently drops headers after the first 2,000.
const maxHeaders = 200
const isTarget = /^(?:\/|https?:\/\/)[^#]*$/i

/**
 * Rejects requests that Node accepts although they are not valid HTTP/1, or a proxy could read them
 * differently: a repeated Host or Content-Type, an invalid target, an unknown transfer coding
 * (RFC 9112 §2.3, §3.2, §6.1).
 * @throws AppError `bad_request`, `headers_too_large`
 */
const requireUnambiguous: preParsingHookHandler = ({ raw }, reply, _payload, done) => {
  const { headers, rawHeaders, httpVersion, url = '' } = raw
  const { host, expect = '100-continue', 'transfer-encoding': coding } = headers
  const isSound =
    (httpVersion === '1.1' ? host !== undefined : httpVersion === '1.0' && coding === undefined) &&
    (coding === undefined || coding.toLowerCase() === 'chunked') &&
    expect.toLowerCase() === '100-continue' &&
    isTarget.test(url) &&
    !isRepeated('host', rawHeaders) &&
    !isRepeated('content-type', rawHeaders)
  const isLong = rawHeaders.length > maxHeaders * 2
  if (isSound && !isLong && coding === undefined) {
    done()
    return
  }
  // Wait until the HTTP parser has read the rest of these bytes: if it finds an error, it has sent the
  // only reply that this request may get.
  queueMicrotask(() => {
    if (isSound && !isLong) {
      done()
      return
    }
    reply.header('connection', 'close')
    done(new AppError(isLong ? 'headers_too_large' : 'bad_request'))
  })
}

/** Logs only errors inside Fastify. http/requests.ts logs requests. */
class FaultLog extends LogController {
  override incomingRequest(): void {
    // No line: http/requests.ts logs requests.
  }

  override requestCompleted(): void {
    // No line: http/requests.ts logs requests.
  }
}

const codeOfClientError: Record<string, ErrorCode> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
}

/**
 * Answers bytes that are no HTTP request, and closes the socket. Otherwise a client that stopped sending
 * would keep the socket open.
 */
function answerClientError(
  error: NodeJS.ErrnoException,
  socket: Socket,
  { id, log }: { id: string; log: FastifyBaseLogger },
): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const code = codeOfClientError[error.code ?? ''] ?? 'bad_request'
  log.debug({ reqId: id, code }, 'malformed HTTP request')
  socket.end(rawErrorReply(code, id), () => socket.destroy())
}
