import type { FastifyBaseLogger } from 'fastify'
import fp from 'fastify-plugin'
import type { Durations } from '../metrics/durations.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** By performance.now(). */
    arrivedAt: number
  }
}

type Options = { log: FastifyBaseLogger; durations: Durations | undefined }

/**
 * What became of each request, when its reply goes out: how long it took, and a line in the log, at
 * `debug`, or at `info` where the client was refused. What is no HTTP, or no URL, never gets here.
 */
export const requests = fp<Options>(
  async (app, { log, durations }) => {
    app.decorateRequest('arrivedAt', 0)

    app.addHook('onRequest', (request, _reply, done) => {
      request.arrivedAt = performance.now()
      done()
    })

    app.addHook('onSend', (request, reply, _payload, done) => {
      const ms = performance.now() - request.arrivedAt
      const { statusCode: status } = reply
      const line = { reqId: request.id, req: request, status, ms: Math.round(ms) }
      if (status < 400) log.debug(line, 'request')
      else log.info(line, 'request')
      // The pattern, never the path: who asks for what is not there makes no new label.
      durations?.observe(request.method, request.routeOptions.url ?? 'unknown', status, ms / 1_000)
      done()
    })
  },
  { name: 'requests' },
)
