import { resolve } from 'node:path'
import type { Logger } from 'pino'
import type { Config } from './config/load.js'
import { migrate } from './db/migrate.js'
import { createPool, type Pool } from './db/pool.js'
import { loadOrCreateLocalSecret } from './config/local-secret.js'
import { createDigest } from './log/digest.js'

/** What has to be closed again, in the order in which it was opened. */
export type Closers = (() => Promise<unknown>)[]

export type Resources = { db: Pool; url: string; listenUrl: string; keysSecret: string }

type Options = { log: Logger; closers: Closers; migrates?: boolean }

/** The database and the secret that the services rest on; development makes what is not named. */
export async function openResources(
  config: Config,
  { log, closers, migrates = true }: Options,
): Promise<Resources> {
  const dataDir = resolve(config.DATA_DIR)
  const url = config.DATABASE_URL ?? (await startLocalDatabase(dataDir, log, closers))
  if (migrates) await migrate(url, log)
  const lost = createDigest<Error>({
    write: ({ count, last }) => log.warn({ count, err: last }, 'database connections were lost'),
  })
  const onError = (error: Error) => lost.add(error.message, error)
  const db = createPool({ url, size: config.DATABASE_POOL_SIZE, onError })
  closers.push(() => db.close())
  const keysSecret = config.KEYS_SECRET ?? (await loadOrCreateLocalSecret(dataDir, 'keys-secret'))
  return { db, url, listenUrl: config.DATABASE_LISTEN_URL ?? url, keysSecret }
}

/** Development only: production names its database (config.ts). The package is not in the image. */
async function startLocalDatabase(dataDir: string, log: Logger, closers: Closers): Promise<string> {
  const { startEmbeddedPostgres } = await import('./db/embedded/start.js')
  const { url, stop } = await startEmbeddedPostgres({ dataDir, log })
  closers.push(stop)
  log.info('using the embedded database, which is for development; set DATABASE_URL otherwise')
  return url
}
