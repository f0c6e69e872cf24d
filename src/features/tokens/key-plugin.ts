import type { FastifyBaseLogger } from 'fastify'
import fp from 'fastify-plugin'
import type { Keyring } from './keyring.js'
import type { KeyRotation } from './rotation.js'

type Options = {
  keyring: Keyring
  rotation: KeyRotation
  /** In milliseconds. */
  every?: number | undefined
  log: FastifyBaseLogger
}

/**
 * Keys come and go while the service listens: it loads what others changed, and does what is due. A
 * failure waits for the next time; the keys stay as they are.
 */
export const keys = fp<Options>(
  async (app, { keyring, rotation, every = 10_000, log }) => {
    let timer: NodeJS.Timeout | undefined
    let running = Promise.resolve()
    let isClosed = false

    async function look(): Promise<void> {
      try {
        await keyring.poll()
        const loaded = keyring.snapshot()
        const returned = keyring.returned()
        if (returned.length > 0) {
          log.warn({ kids: returned }, 'removed signing keys are back, removing them again')
          await rotation.removeAgain(returned)
          await keyring.reload()
        }
        if (loaded && (await rotation.tend(loaded))) await keyring.reload()
      } catch (err) {
        log.warn({ err }, 'could not look after the signing keys')
      }
      soon(every)
    }

    function soon(delay: number): void {
      if (isClosed) return
      timer = setTimeout(() => void (running = look()), delay).unref()
    }

    app.addHook('onListen', async () => {
      soon(0)
    })
    app.addHook('onClose', async () => {
      isClosed = true
      clearTimeout(timer)
      await running
    })
  },
  { name: 'keys' },
)
