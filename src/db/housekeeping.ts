import type { FastifyBaseLogger } from 'fastify'
import fp from 'fastify-plugin'
import { logFailure } from './outage.js'

type Options = {
  /** Deletes a batch of expired rows and returns how many it deleted. */
  prune: () => Promise<number>
  /** Tells users of a batch of API keys that expire soon, and returns how many there were. */
  warnOwners: () => Promise<number>
  /** The interval between two runs, in milliseconds. */
  every?: number
  log: FastifyBaseLogger
}

/** Deletes expired rows at intervals. After a failure the next interval tries again. */
export const housekeeping = fp<Options>(
  async (app, { prune, warnOwners, every = 60_000, log }) => {
    async function pruneAll(): Promise<void> {
      try {
        while ((await prune()) > 0) log.debug('removed expired rows')
      } catch (err) {
        logFailure(log, err, 'could not remove expired rows')
      }
    }
    async function warnAll(): Promise<void> {
      try {
        while ((await warnOwners()) > 0) log.debug('told owners of API keys that expire')
      } catch (err) {
        logFailure(log, err, 'could not tell owners of API keys that expire')
      }
    }
    const timer = setInterval(() => void pruneAll().then(warnAll), every).unref()
    app.addHook('onClose', async () => {
      clearInterval(timer)
    })
  },
  { name: 'housekeeping' },
)
