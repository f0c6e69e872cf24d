import type { FastifyBaseLogger } from 'fastify'
import fp from 'fastify-plugin'

type Options = {
  /** Removes some of what has expired; how many rows went. */
  prune: () => Promise<number>
  /** In milliseconds. */
  every?: number
  log: FastifyBaseLogger
}

/** Expired rows go while the service runs; a failure waits for the next time. */
export const housekeeping = fp<Options>(
  async (app, { prune, every = 60_000, log }) => {
    async function tidy(): Promise<void> {
      try {
        while ((await prune()) > 0) log.debug('removed expired rows')
      } catch (err) {
        log.warn({ err }, 'could not remove expired rows')
      }
    }
    const timer = setInterval(() => void tidy(), every).unref()
    app.addHook('onClose', async () => {
      clearInterval(timer)
    })
  },
  { name: 'housekeeping' },
)
