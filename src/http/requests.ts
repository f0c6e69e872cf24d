import type { FastifyBaseLogger } from 'fastify'
import fp from 'fastify-plugin'
import { createDigest, createQuota } from '../log/digest.js'
import type { Durations } from './metrics/durations.js'
import { createDeadlines, type DeadlineOptions } from './deadlines.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** By performance.now(). */
    arrivedAt: number
  }
}

type Options = {
  log: FastifyBaseLogger
  durations: Durations | undefined
  deadlines?: DeadlineOptions
}

// A flood of refused requests must not fill the disk.
const linesPerSecond = 20

/**
 * What became of each request, when its reply goes out: how long it took, and a line in the log, at
 * `debug`, or at `info` where the client was refused: 20 lines a second, and one that counts the rest.
 * http/errors.ts counts 503s. A request that is not answered in time is answered here. What is no
 * HTTP, or no URL, never gets here.
 */
export const requests = fp<Options>(
  async (app, { log, durations, deadlines: options }) => {
    const admits = createQuota(linesPerSecond)
    const refused = createDigest({
      write: ({ count, by }) =>
        log.info({ count, by }, 'refused requests without a line of their own'),
    })
    const deadlines = createDeadlines(options)
    app.decorateRequest('arrivedAt', 0)
    app.addHook('onClose', async () => refused.flush())
    app.addHook('onReady', async () => deadlines.start())
    app.addHook('onClose', async () => deadlines.stop())

    app.addHook('onRequest', (request, reply, done) => {
      request.arrivedAt = performance.now()
      deadlines.enter(reply)
      done()
    })

    app.addHook('onSend', (request, reply, _payload, done) => {
      deadlines.leave(reply)
      const ms = performance.now() - request.arrivedAt
      const { statusCode: status } = reply
      const line = { reqId: request.id, req: request, status, ms: Math.round(ms) }
      // The pattern, never the path: who asks for what is not there makes no new label.
      const route = request.routeOptions.url ?? 'unknown'
      const isRefused = status >= 400 && status !== 503
      if (isRefused && admits()) log.info(line, 'request')
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
