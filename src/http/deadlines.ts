import type { FastifyReply } from 'fastify'
import { AppError } from '../errors.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Replaces the default deadline of this route, in milliseconds. */
    deadline?: number
  }
}

export type DeadlineOptions = {
  /** The default deadline: milliseconds from the arrival of a request to its reply. */
  limit?: number
  /** How often open requests are checked, in milliseconds. */
  every?: number
}

/**
 * Answers a request with 503 when its deadline has passed. The later result of its handler is dropped.
 * One timer checks all open requests, which is cheaper than a timer for each.
 * Fastify's `handlerTimeout` cannot do this: Fastify clears its timer when the request closes, and Node
 * closes the request as soon as its body is read.
 */
export function createDeadlines({ limit = 14_000, every = 1_000 }: DeadlineOptions = {}) {
  const open = new Set<FastifyReply>()
  let timer: NodeJS.Timeout | undefined
  let isClosing = false

  function sweep(): void {
    if (isClosing && open.size === 0) clearInterval(timer)
    const now = performance.now()
    for (const reply of open) {
      const { request } = reply
      const { deadline = limit } = request.routeOptions.config
      if (now - request.arrivedAt < deadline) continue
      open.delete(reply)
      expire(reply)
    }
  }

  return {
    add: (reply: FastifyReply) => void open.add(reply),
    remove: (reply: FastifyReply) => void open.delete(reply),
    start: () => {
      timer = setInterval(sweep, every).unref()
    },
    /** Stops the timer after the last open request has ended. */
    stop: () => {
      isClosing = true
    },
  }
}

function expire(reply: FastifyReply): void {
  const { raw, request } = reply
  // The reply is already sent, or the client has disconnected.
  if (reply.sent || raw.headersSent || raw.destroyed || request.socket.destroyed) return
  // Do not wait for the rest of a body that is still arriving.
  if (!request.raw.complete) reply.header('connection', 'close')
  const cause = new Error(`no answer after ${Math.round(performance.now() - request.arrivedAt)} ms`)
  try {
    reply.send(new AppError('unavailable', { cause }))
  } catch (err) {
    request.log.error({ reqId: request.id, err }, 'reply to a timed-out request failed')
    raw.destroy()
  }
}
