import type { FastifyReply } from 'fastify'
import { AppError } from '../errors.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Replaces the default deadline of this route, in milliseconds. */
    deadline?: number
  }

  interface FastifyReply {
    /** Its place among the open replies; undefined after it was removed. */
    deadlineSlot: number | undefined
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
  // No Set: V8 replaces the table of a busy Set again and again, and each table keeps the next one alive. Once one
  // is old, the replies of all later tables stay in memory until a collection of the whole heap.
  const open: (FastifyReply | undefined)[] = []
  const free: number[] = []
  let timer: NodeJS.Timeout | undefined
  let isClosing = false

  function sweep(): void {
    if (isClosing && free.length === open.length) clearInterval(timer)
    const now = performance.now()
    for (const reply of open) {
      if (!reply) continue
      const { request } = reply
      const { deadline = limit } = request.routeOptions.config
      if (now - request.arrivedAt < deadline) continue
      remove(reply)
      expire(reply)
    }
  }

  function add(reply: FastifyReply): void {
    const slot = free.pop() ?? open.length
    open[slot] = reply
    reply.deadlineSlot = slot
  }

  function remove(reply: FastifyReply): void {
    const { deadlineSlot: slot } = reply
    if (slot === undefined) return
    open[slot] = undefined
    free.push(slot)
    reply.deadlineSlot = undefined
  }

  return {
    add,
    remove,
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
