import type { Logger } from 'pino'
import { OperatorError } from '../errors.js'

type Options = {
  log: Pick<Logger, 'info' | 'error' | 'fatal'>
  /** How long `stop` may take, in milliseconds. */
  limit: number
  /** Stops everything that has started. `signal` is undefined after an error. */
  stop: (signal: NodeJS.Signals | undefined) => Promise<void>
}

const signals = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR2'] as const

/**
 * How long a repeated signal is ignored, in milliseconds. A closing terminal sends SIGHUP twice, and under
 * `npm start` Ctrl-C arrives from the terminal and from npm.
 */
const repeatWindow = 500

/**
 * Stops the process at the first signal, and exits with 0. At a second signal, or after `limit`, it exits
 * with 1 at once. An uncaught error is logged, stops the process too, and exits with 1.
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
    } else if (performance.now() - since > repeatWindow) {
      log.error({ signal }, 'second signal, exiting without waiting')
      process.exit(1)
    }
  }

  function onError(err: unknown): void {
    if (err instanceof OperatorError) log.fatal(err.message)
    else log.fatal({ err }, 'uncaught error, stopping')
    if (since === undefined) void run(1)
    else process.exit(1)
  }

  async function run(code: number, signal?: NodeJS.Signals): Promise<void> {
    since = performance.now()
    setTimeout(() => {
      log.error({ ms: limit }, 'stopping timed out')
      process.exit(1)
    }, limit)
    try {
      await stop(signal)
      if (code === 0) log.info('stopped')
      process.exit(code)
    } catch (err) {
      log.error({ err }, 'stopping failed')
      process.exit(1)
    }
  }
}
