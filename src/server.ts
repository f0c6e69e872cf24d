import { setTimeout as sleep } from 'node:timers/promises'
import { buildApp, type App } from './app.js'
import { ConfigError, loadConfig, type Config } from './config/load.js'
import { createLogger } from './log/logger.js'
import { openResources, type Closers } from './open-resources.js'
import { stopOnSignal } from './shutdown.js'

const config = readConfig()
const log = createLogger(config.LOG_LEVEL)
const closers: Closers = []
let app: App | undefined

// A terminal that closes, or a reader that ends, must not become an uncaught error.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)

// Before anything starts, so that a signal meanwhile stops what has started. Requests in progress get
// seven seconds after the delay: with its default, less than Docker's ten.
stopOnSignal({
  log,
  limit: config.SHUTDOWN_DELAY * 1_000 + 7_000,
  stop: async (signal) => {
    if (app) await drain(app, signal)
    for (const closer of closers.reverse()) await closer()
  },
})

await start(config)

function readConfig(): Config {
  try {
    return loadConfig(process.env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    console.error(error.message)
    process.exit(1)
  }
}

async function start(config: Config): Promise<void> {
  const { db, listenUrl, keysSecret } = await openResources(config, { log, closers })
  const service = await buildApp(config, { db, listenUrl, keysSecret, log })
  app = service
  closers.push(() => service.close())
  const address = await service.listen({ host: config.HOST, port: config.PORT })
  log.info({ address }, 'listening')
  if (config.NODE_ENV === 'production') warnOf(config)
  if (process.stdout.isTTY) process.stdout.write(welcome(address))
}

/**
 * Keeps serving until load balancers have seen that this instance is not ready. After Ctrl-C a person
 * waits, and after an error the state of the process is unknown.
 */
async function drain(app: App, signal: NodeJS.Signals | undefined): Promise<void> {
  app.drain()
  const isByHand = signal === 'SIGINT' && process.stdout.isTTY
  if (signal && !isByHand && app.server.listening) await sleep(config.SHUTDOWN_DELAY * 1_000)
}

/** What starts, but is likely not meant. */
function warnOf({ PUBLIC_URL, MAIL_URL, SMS_WEBHOOK_URL }: Config): void {
  if (new URL(PUBLIC_URL).hostname === 'localhost') {
    log.warn('PUBLIC_URL names localhost, and so does every token as its issuer')
  }
  if (MAIL_URL === undefined && SMS_WEBHOOK_URL === undefined) {
    log.warn('MAIL_URL is not set: no mail is sent, and no user can reset a password')
  }
}

function welcome(address: string): string {
  const { host } = new URL(address)
  return `
Gatehouse answers on ${address}

  http ${host}/api/register email=ada@example.org password='correct horse battery'
  http ${host}/api/login    email=ada@example.org password='correct horse battery'
  http -A bearer -a ACCESS_TOKEN ${host}/api/user

`
}
