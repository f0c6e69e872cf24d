import closeWithGrace from 'close-with-grace'
import { buildApp } from './app.js'
import { ConfigError, loadConfig, type Config } from './config.js'
import { createLogger } from './logger.js'
import { openResources, type Closers } from './resources.js'

const config = readConfig()
const log = createLogger(config.LOG_LEVEL)
const closers: Closers = []

// Before anything starts, so that a signal meanwhile ends what has started; less than Docker's 10 s.
closeWithGrace({ delay: 9_000, logger: false }, async ({ err, signal }) => {
  if (err) log.fatal({ err }, 'failed')
  else log.info({ signal }, 'closing')
  for (const closer of closers.reverse()) await closer()
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
  const app = await buildApp(config, { db, listenUrl, keysSecret, log })
  closers.push(() => app.close())
  const address = await app.listen({ host: config.HOST, port: config.PORT })
  log.info({ address }, 'listening')
  if (config.NODE_ENV === 'production') warnOf(config)
  if (process.stdout.isTTY) process.stdout.write(welcome(address))
}

/** What starts, but is likely not meant. */
function warnOf({ PUBLIC_URL, MAIL_URL, SMS_WEBHOOK_URL }: Config): void {
  if (new URL(PUBLIC_URL).hostname === 'localhost') {
    log.warn('PUBLIC_URL names localhost, and so does every token as its issuer')
  }
  if (MAIL_URL === undefined && SMS_WEBHOOK_URL === undefined) {
    log.warn('MAIL_URL is not set: no mail is sent, and nobody can reset a password')
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
