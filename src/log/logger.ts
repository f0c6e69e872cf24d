import type { FastifyReply, FastifyRequest } from 'fastify'
import { pino, type DestinationStream, type Logger } from 'pino'
import { createLogOutput } from './output.js'

type Logged = {
  type: string
  message: string
  code?: unknown
  stack?: string | undefined
  cause?: Logged
}

/**
 * Logs JSON lines to stdout. A request is logged without its headers, query and body. An error is
 * logged with a fixed list of properties: other properties of a database error hold the values of a row.
 */
export function createLogger(level: string, to: DestinationStream = createLogOutput(1)): Logger {
  const options = {
    level,
    base: undefined,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { req: serializeRequest, res: serializeReply, err: serializeError },
  }
  return pino(options, to)
}

function serializeRequest({ method, url, ip }: FastifyRequest) {
  return { method, path: url.split('?', 1)[0], ip }
}

const serializeReply = ({ statusCode }: FastifyReply) => ({ status: statusCode })

function serializeError(error: Error & { code?: unknown }): Logged {
  return {
    type: error.name,
    message: error.message,
    code: error.code,
    stack: error.stack,
    ...(error.cause instanceof Error && { cause: serializeError(error.cause) }),
  }
}
