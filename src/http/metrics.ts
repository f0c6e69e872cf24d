import { Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { hashOf, isSecret } from '../crypto/secrets.js'
import { AppError } from '../errors.js'
import { readBearer } from './bearer.js'
import type { Durations } from './metrics/durations.js'
import { createGauges, type Sources } from './metrics/gauges.js'
import { replies } from './replies.js'

type Options = Sources & {
  durations: Durations
  /** What a reader has to send as Bearer; undefined where anybody may read. */
  token: string | undefined
}

/** `GET /metrics` for Prometheus: from memory alone, so that it answers whatever is down. */
export const metrics = fp<Options>(
  async (app, { token, durations, ...sources }) => {
    const gauges = createGauges(sources)
    let rendering: Promise<Buffer> | undefined

    /** Callers that arrive while the text is made share it: one connection can send a thousand at once. */
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
          summary: 'How this instance does, for Prometheus',
          description: 'With `METRICS_TOKEN` as Bearer, where it is set',
          tags: ['operations'],
          produces: ['text/plain'],
          response: replies({ 200: Type.String() }),
        },
        ...(token !== undefined && { onRequest: createGuard(token) }),
      },
      async (_request, reply) => reply.type(gauges.contentType).send(await render()),
    )
  },
  { name: 'metrics' },
)

/** Hashes are compared, so that the time tells nothing. */
function createGuard(token: string) {
  const expected = hashOf(token)
  return async (request: FastifyRequest): Promise<void> => {
    if (!isSecret(readBearer(request) ?? '', expected)) throw new AppError('invalid_token')
  }
}
