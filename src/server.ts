import { setTimeout as sleep } from 'node:timers/promises'
import { buildApp, type App } from './app.js'
import { addEnvFile } from './config/env-file.js'
import { ConfigError, loadConfig, type Config } from './config/load.js'
import { unknownVariables } from './config/unknown.js'
import { logWarnings } from './config/warnings.js'
import { createOutputForPeople } from './log/for-people.js'
import { createLogger } from './log/logger.js'
import { createLogOutput } from './log/output.js'
import { openResources, type Closers } from './process/resources.js'
import { stopOnSignal } from './process/shutdown.js'
import { bannerOf } from './process/banner.js'
import { toListenError, toOperatorError } from './process/faults.js'

const config = readConfig()
const isTerminal = process.stdout.isTTY
const log = createLogger(config.LOG_LEVEL, createOutput())
const closers: Closers = []
let app: App | undefined

// A closed terminal or pipe must not become an uncaught error.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)

// Installed first, so that a signal during start-up stops what has started. Requests in progress get seven
// seconds after SHUTDOWN_DELAY. With its default of two seconds that is less than Docker's ten.
stopOnSignal({
  log,
  limit: config.SHUTDOWN_DELAY * 1_000 + 7_000,
  stop: async (signal) => {
    if (app) await drain(app, signal)
    for (const closer of closers.reverse()) await closer()
  },
})

start(config).catch((error: unknown) => {
  throw toOperatorError(error, config)
})

/** Lines for people on a terminal, and JSON anywhere else. */
function createOutput() {
  const output = createLogOutput(1)
  const { NO_COLOR = '', TERM } = process.env // https://no-color.org
  const colour = NO_COLOR === '' && TERM !== 'dumb'
  return isTerminal ? createOutputForPeople(output, { colour }) : output
}

function readConfig(): Config {
  try {
    return loadConfig(process.env, addEnvFile(process.env))
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    // A misspelt variable may be the reason of another's fault.
    const warnings = unknownVariables(process.env).map((warning) => `Warning: ${warning}`)
    console.error([error.message, ...warnings].join('\n'))
    process.exit(1)
  }
}

async function start(config: Config): Promise<void> {
  const opening = openResources(config, { log, closers })
  logWarnings(log, config, process.env) // while the database answers
  const { db, listenUrl, keysSecret } = await opening
  const service = await buildApp(config, {
    db,
    listenUrl,
    keysSecret,
    log,
    logsRequests: isTerminal,
  })
  app = service
  closers.push(() => service.close())
  const { HOST: host, PORT: port } = config
  const address = await service.listen({ host, port }).catch((error: unknown) => {
    throw toListenError(error, config)
  })
  log.info({ address }, 'listening')
  if (isTerminal) process.stdout.write(bannerOf(config, address))
}

/**
 * Keeps serving for SHUTDOWN_DELAY, until load balancers have seen that this instance is not ready. There is
 * no delay after Ctrl-C, because a person waits, and none after an error, because the state is unknown.
 */
async function drain(app: App, signal: NodeJS.Signals | undefined): Promise<void> {
  app.drain()
  const isByHand = signal === 'SIGINT' && isTerminal
  if (signal && !isByHand && app.server.listening) await sleep(config.SHUTDOWN_DELAY * 1_000)
}
