import { Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { hashSecret, verifySecret } from '../crypto/secrets.js'
import { AppError } from '../errors.js'
import { readBearer } from './bearer.js'
import type { Durations } from './metrics/durations.js'
import { createGauges, type Sources } from './metrics/gauges.js'
import { replies } from './replies.js'

type Options = Sources & {
  durations: Durations
  /** The Bearer token that opens `/metrics`; undefined: no token is needed. */
  token: string | undefined
}

/** `GET /metrics` for Prometheus. It reads memory only, so it answers during an outage too. */
export const metrics = fp<Options>(
  async (app, { token, durations, ...sources }) => {
    const gauges = createGauges(sources)
    let rendering: Promise<Buffer> | undefined

    /** Requests that arrive while the text is rendered share it, so a flood of them costs little. */
    function render(): Promise<Buffer> {
      rendering ??= gauges
        .metrics()
        .then((text) => Buffer.from(`${text}\n${durations.text()}`))
        .finally(() => (rendering = undefined))
      return rendering
    }

    app.get(
      '/metrics',
      {
        schema: {
          summary: 'Metrics of this instance, for Prometheus',
          description: 'Send `METRICS_TOKEN` as Bearer token if it is set',
          tags: ['operations'],
          produces: ['text/plain'],
          errors: ['invalid_token', 'not_found'],
          response: replies({ 200: Type.String() }),
        },
        ...(token !== undefined && { onRequest: createTokenCheck(token) }),
      },
      async (_request, reply) => reply.type(gauges.contentType).send(await render()),
    )
  },
  { name: 'metrics' },
)

/** Compares hashes, so that the time of the comparison reveals nothing about the token. */
function createTokenCheck(token: string) {
  const expected = hashSecret(token)
  return async (request: FastifyRequest): Promise<void> => {
    if (!verifySecret(readBearer(request) ?? '', expected)) throw new AppError('invalid_token')
  }
}
