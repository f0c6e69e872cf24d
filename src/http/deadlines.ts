import type { FastifyReply } from 'fastify'
import { AppError } from '../errors.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** How long an answer may take, in milliseconds, where the usual limit is too short. */
    deadline?: number
  }
}

export type DeadlineOptions = {
  /** How long an answer may take from the arrival of the request, in milliseconds. */
  limit?: number
  /** How often that is looked at, in milliseconds. */
  every?: number
}

/**
 * An end for every request: one that is not answered in time is answered with 503, and what its
 * handler returns later is dropped. One sweep over all requests is cheaper than a timer for each.
 * Fastify's `handlerTimeout` does not do this: Node closes the request, and Fastify clears the timer,
 * as soon as the body was read.
 */
export function createDeadlines({ limit = 14_000, every = 1_000 }: DeadlineOptions = {}) {
  const open = new Set<FastifyReply>()
  let timer: NodeJS.Timeout | undefined
  let isClosing = false

  function look(): void {
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
    enter: (reply: FastifyReply) => void open.add(reply),
    leave: (reply: FastifyReply) => void open.delete(reply),
    start: () => {
      timer = setInterval(look, every).unref()
    },
    /** Once the last request has ended, which the server waits for. */
    stop: () => {
      isClosing = true
    },
  }
}

function expire(reply: FastifyReply): void {
  const { raw, request } = reply
  // Answered by other means, or its client has left.
  if (reply.sent || raw.headersSent || raw.destroyed || request.socket.destroyed) return
  // The rest of a body that is still on its way is not waited for.
  if (!request.raw.complete) reply.header('connection', 'close')
  const cause = new Error(`no answer after ${Math.round(performance.now() - request.arrivedAt)} ms`)
  try {
    reply.send(new AppError('unavailable', { cause }))
  } catch (err) {
    request.log.error({ reqId: request.id, err }, 'a request that timed out cannot be answered')
    raw.destroy()
  }
}
