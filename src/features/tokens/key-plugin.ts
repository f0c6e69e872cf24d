import type { FastifyBaseLogger } from 'fastify'
import fp from 'fastify-plugin'
import { logFailure } from '../../db/outage.js'
import { repeatWhileListening } from '../../http/while-listening.js'
import type { Keyring } from './keyring.js'
import type { KeyRotation } from './rotation.js'

type Options = {
  keyring: Keyring
  rotation: KeyRotation
  /** How often the keys are maintained, in milliseconds. */
  interval?: number | undefined
  log: FastifyBaseLogger
}

/**
 * Maintains the signing keys while the server listens: it loads changes of other instances, publishes
 * the next key and removes expired ones. After a failure the keys stay as they are until the next run.
 */
export const keyMaintenance = fp<Options>(
  async (app, { keyring, rotation, interval = 10_000, log }) => {
    async function maintain(): Promise<void> {
      try {
        await keyring.poll()
        const loaded = keyring.snapshot()
        const returned = keyring.returned()
        if (returned.length > 0) {
          log.warn(
            { kids: returned },
            'removed signing keys are in the database again, as after a restore: removing them',
          )
          await rotation.removeAgain(returned)
          await keyring.reload()
        }
        if (loaded && (await rotation.maintain(loaded))) await keyring.reload()
      } catch (err) {
        logFailure(log, err, 'signing key maintenance failed, retrying')
      }
    }

    repeatWhileListening(app, maintain, interval)
  },
  { name: 'keys' },
)
