import type { FastifyBaseLogger } from 'fastify'
import fp from 'fastify-plugin'
import { logFailure } from '../../db/outage.js'
import { repeatWhileListening } from '../../http/while-listening.js'
import type { FailureDelay } from './failure-delay.js'
import type { PasswordHasher } from './hash.js'

type Options = {
  failureDelay: FailureDelay
  passwords: Pick<PasswordHasher, 'measure'>
  /** The interval between two runs, in milliseconds. */
  every?: number
  log: FastifyBaseLogger
}

/** Reads which imported hashes are stored, while the server listens. An import may run beside it. */
export const schemeWatch = fp<Options>(
  async (app, { failureDelay, passwords, every = 15_000, log }) => {
    async function load(): Promise<void> {
      try {
        await failureDelay.load(passwords.measure)
      } catch (err) {
        logFailure(log, err, 'could not read the schemes of imported passwords, retrying')
      }
    }

    repeatWhileListening(app, load, every)
  },
  { name: 'schemes' },
)
