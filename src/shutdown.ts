import type { Logger } from 'pino'
import { OperatorError } from './errors.js'

type Options = {
  log: Pick<Logger, 'info' | 'error' | 'fatal'>
  /** How long stopping may take, in milliseconds. */
  limit: number
  /** Stops what has started; `signal` is undefined after an error. */
  stop: (signal: NodeJS.Signals | undefined) => Promise<void>
}

const signals = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR2'] as const

/**
 * How long further signals belong to the first one, in milliseconds. A terminal that closes sends
 * SIGHUP twice, and under `npm start` Ctrl-C arrives from the terminal and from npm.
 */
const echo = 500

/**
 * Stops the process at the first signal, and exits with 0. A second signal, or the limit, exits with
 * 1 at once. An error that nothing caught is logged, stops the process too, and exits with 1.
 */
export function stopOnSignal({ log, limit, stop }: Options): void {
  let since: number | undefined

  for (const signal of signals) process.on(signal, onSignal)
  process.on('uncaughtException', onError)
  process.on('unhandledRejection', onError)

  function onSignal(signal: NodeJS.Signals): void {
    if (since === undefined) {
      log.info({ signal }, 'stopping')
      void run(0, signal)
    } else if (performance.now() - since > echo) {
      log.error({ signal }, 'stopping is cut short by a second signal')
      process.exit(1)
    }
  }

  function onError(err: unknown): void {
    if (err instanceof OperatorError) log.fatal(err.message)
    else log.fatal({ err }, 'failed')
    if (since === undefined) void run(1)
    else process.exit(1)
  }

  async function run(code: number, signal?: NodeJS.Signals): Promise<void> {
    since = performance.now()
    setTimeout(() => {
      log.error({ ms: limit }, 'stopping took too long')
      process.exit(1)
    }, limit)
    try {
      await stop(signal)
      process.exit(code)
    } catch (err) {
      log.error({ err }, 'stopping failed')
      process.exit(1)
    }
  }
}
