import type { FastifyBaseLogger } from 'fastify'
import fp from 'fastify-plugin'
import { createDigest, createQuota } from '../log/digest.js'
import type { Durations } from './metrics/durations.js'
import { createDeadlines, type DeadlineOptions } from './deadlines.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** The time of arrival by performance.now(), in milliseconds. */
    arrivedAt: number
  }
}

type Options = {
  log: FastifyBaseLogger
  durations: Durations | undefined
  deadlines?: DeadlineOptions
  /** Logs each request at `info`. */
  logsEach?: boolean | undefined
}

// More refused requests in a second are counted in a digest, so that a flood does not fill the disk.
const linesPerSecond = 20

/**
 * Measures and logs each request when its reply is sent, and enforces its deadline. A refused request
 * (status 400 or above) is logged at `info`: at most 20 lines a second, and a line that counts the others.
 * All other requests are logged at `debug`, or at `info` with `logsEach`. http/errors.ts logs 503s.
 * http/server.ts logs bytes that are no valid HTTP request.
 */
export const requests = fp<Options>(
  async (app, { log, durations, deadlines: options, logsEach = false }) => {
    const admits = createQuota(linesPerSecond)
    const refused = createDigest({
      write: ({ count, by }) => log.info({ count, by }, 'further refused requests'),
    })
    const deadlines = createDeadlines(options)
    app.decorateRequest('arrivedAt', 0)
    app.decorateReply('deadlineSlot', undefined)
    app.addHook('onClose', async () => refused.flush())
    app.addHook('onReady', async () => deadlines.start())
    app.addHook('onClose', async () => deadlines.stop())

    app.addHook('onRequest', (request, reply, done) => {
      request.arrivedAt = performance.now()
      reply.header('x-request-id', request.id)
      deadlines.add(reply)
      done()
    })

    app.addHook('onSend', (request, reply, _payload, done) => {
      deadlines.remove(reply)
      const ms = performance.now() - request.arrivedAt
      const { statusCode: status } = reply
      const line = { reqId: request.id, req: request, status, ms: Math.round(ms) }
      // The pattern of the route, not the path: unknown paths must not create new metric labels.
      const route = request.routeOptions.url ?? 'unknown'
      const isRefused = status >= 400 && status !== 503
      if (isRefused ? admits() : logsEach) log.info(line, 'request')
      else {
        if (isRefused) refused.add(`${String(status)} ${request.method} ${route}`, undefined)
        log.debug(line, 'request')
      }
      durations?.observe(request.method, route, status, ms / 1_000)
      done()
    })
  },
  { name: 'requests' },
)
