import type { FastifyBaseLogger } from 'fastify'
import fp from 'fastify-plugin'
import { logFailure } from './outage.js'

type Options = {
  /** Deletes a batch of expired rows and returns how many it deleted. */
  prune: () => Promise<number>
  /** The interval between two runs, in milliseconds. */
  every?: number
  log: FastifyBaseLogger
}

/** Deletes expired rows at intervals. After a failure the next interval tries again. */
export const housekeeping = fp<Options>(
  async (app, { prune, every = 60_000, log }) => {
    async function pruneAll(): Promise<void> {
      try {
        while ((await prune()) > 0) log.debug('removed expired rows')
      } catch (err) {
        logFailure(log, err, 'could not remove expired rows')
      }
    }
    const timer = setInterval(() => void pruneAll(), every).unref()
    app.addHook('onClose', async () => {
      clearInterval(timer)
    })
  },
  { name: 'housekeeping' },
)
