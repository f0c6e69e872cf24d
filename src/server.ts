import closeWithGrace from 'close-with-grace'
import { resolve } from 'node:path'
import type { Logger } from 'pino'
import { buildApp } from './app.js'
import { ConfigError, loadConfig, type Config } from './config.js'
import { migrate } from './db/migrate.js'
import { createPool } from './db/pool.js'
import { loadOrCreateLocalSecret } from './local-secret.js'
import { createLogger } from './logger.js'

const config = readConfig()
const log = createLogger(config.LOG_LEVEL)
const closers: (() => Promise<unknown>)[] = []

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
  const dataDir = resolve(config.DATA_DIR)
  const url = config.DATABASE_URL ?? (await startLocalDatabase(dataDir, log))
  await migrate(url, log)
  const onError = (err: Error) => log.warn({ err }, 'a database connection was lost')
  const db = createPool({ url, size: config.DATABASE_POOL_SIZE, onError })
  closers.push(() => db.close())
  const keysSecret = config.KEYS_SECRET ?? (await loadOrCreateLocalSecret(dataDir, 'keys-secret'))
  const app = await buildApp(config, { db, keysSecret, log })
  closers.push(() => app.close())
  const address = await app.listen({ host: config.HOST, port: config.PORT })
  if (config.NODE_ENV === 'production' && new URL(config.PUBLIC_URL).hostname === 'localhost') {
    log.warn('PUBLIC_URL names localhost, and so does every token as its issuer')
  }
  if (config.NODE_ENV === 'production' && !config.MAIL_URL) {
    log.warn('MAIL_URL is not set: no mail is sent, and nobody can reset a password')
  }
  if (process.stdout.isTTY) process.stdout.write(welcome(address))
}

/** Development only: production names its database (config.ts). The package is not in the image. */
async function startLocalDatabase(dataDir: string, log: Logger): Promise<string> {
  const { startEmbeddedPostgres } = await import('./db/embedded.js')
  const { url, stop } = await startEmbeddedPostgres({ dataDir, log })
  closers.push(stop)
  log.warn('using the embedded database, which is for development; set DATABASE_URL otherwise')
  return url
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
