import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { isRepeated } from '@gatehouse/verify/protocol'
import Fastify, { LogController, type FastifyBaseLogger, type preParsingHookHandler } from 'fastify'
import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import { AppError, type ErrorCode } from '../errors.js'
import { serializerCompiler, validatorCompiler } from './compilers.js'
import { rawErrorReply, sendError } from './errors.js'

type Options = { trustProxy: string[]; log: FastifyBaseLogger }

/**
 * Fastify with every limit set: of size, of time, and of what it does on its own with input. How
 * long an answer may take is the matter of http/requests.ts.
 */
export function createServer({ trustProxy, log }: Options) {
  const app = Fastify({
    // A logger of its own would listen to each reply; http/requests.ts writes the line of a request.
    childLoggerFactory: () => log,
    logController: new FaultLog(),
    genReqId: createIds(),
    requestIdHeader: false,
    pluginTimeout: 60_000, // the denylist has to be loaded
    trustProxy: trustProxy.length > 0 ? trustProxy : false,
    bodyLimit: 16_384,
    requestTimeout: 10_000,
    connectionTimeout: 15_000,
    keepAliveTimeout: 72_000,
    http: {
      headersTimeout: 8_000,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: 16_384,
      requireHostHeader: false, // requireOneMeaning requires it, and answers as we do
    },
    routerOptions: { maxParamLength: 256 },
    exposeHeadRoutes: false,
    return503OnClosing: false,
    frameworkErrors: sendError,
    clientErrorHandler,
  })
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  app.addHook('preParsing', requireOneMeaning)
  // Without a listener Node itself refuses what is not `100-continue`.
  app.server.on('checkExpectation', (...request) => app.server.emit('request', ...request))
  return app.withTypeProvider<TypeBoxTypeProvider>()
}

/** UUIDs that nobody has to guess: the last digits count, which is quicker than to be random. */
function createIds(): () => string {
  const start = randomUUID().slice(0, 24)
  let count = 0
  return () => start + (count++).toString(16).padStart(12, '0')
}

// A browser sends 20; of more than 2,000 Node would show the first ones alone.
const maxHeaders = 200
const isTarget = /^(?:\/|https?:\/\/)[^#]*$/i

/**
 * What Node lets pass, though it is not HTTP/1, or another reader could take it in another way: a
 * second Host or content type, a target or a transfer coding that is none (RFC 9112 §2.3, §3.2, §6.1).
 * @throws AppError `bad_request`, `headers_too_large`
 */
const requireOneMeaning: preParsingHookHandler = ({ raw }, reply, _payload, done) => {
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
  // What the parser finds in the rest of these bytes comes first: one request has one answer.
  queueMicrotask(() => {
    if (isSound && !isLong) {
      done()
      return
    }
    reply.header('connection', 'close')
    done(new AppError(isLong ? 'headers_too_large' : 'bad_request'))
  })
}

/** What goes wrong in Fastify itself; the line of each request is that of http/requests.ts. */
class FaultLog extends LogController {
  override incomingRequest(): void {
    // it has one line, at its end
  }

  override requestCompleted(): void {
    // which is not Fastify's
  }
}

const codeOfClientError: Record<string, ErrorCode> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
}

/** What is not HTTP at all never reaches a route. Who only stopped sending would still hold the line. */
function clientErrorHandler(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const reply = rawErrorReply(codeOfClientError[error.code ?? ''] ?? 'bad_request')
  socket.end(reply, () => socket.destroy())
}
