import { resolve } from 'node:path'
import type { Logger } from 'pino'
import type { Config } from '../config/load.js'
import { migrate } from '../db/migrate.js'
import { createOutage } from '../db/outage.js'
import { createPool, type Pool } from '../db/pool.js'
import { retryWhileUnreachable } from '../db/reach.js'
import { loadOrCreateLocalSecret } from '../config/local-secret.js'

/** Functions that close what was opened, in the order of opening. Call them in reverse order. */
export type Closers = (() => Promise<unknown>)[]

export type Resources = { db: Pool; url: string; listenUrl: string; keysSecret: string }

type Options = {
  log: Logger
  closers: Closers
  migrates?: boolean
  /** Whether to use the embedded database that a running server has started. For commands. */
  shared?: boolean
}

/**
 * Opens the database and KEYS_SECRET. If the configuration does not set them, development starts an
 * embedded database and creates a secret in DATA_DIR.
 */
export async function openResources(
  config: Config,
  { log, closers, migrates = true, shared = false }: Options,
): Promise<Resources> {
  const dataDir = resolve(config.DATA_DIR)
  const url = config.DATABASE_URL ?? (await startLocalDatabase({ dataDir, shared, log, closers }))
  if (migrates && shared) await migrate(url, log)
  // A server waits for a database that starts together with it. A command does not: a person waits for it.
  else if (migrates) await retryWhileUnreachable(() => migrate(url, log), { url, log })
  // A command fails at once, and says why.
  const outage = createOutage({ log: shared ? undefined : log })
  const db = createPool({ url, size: config.DATABASE_POOL_SIZE, outage })
  closers.push(() => db.close())
  const keysSecret = config.KEYS_SECRET ?? (await loadOrCreateLocalSecret(dataDir, 'keys-secret'))
  return { db, url, listenUrl: config.DATABASE_LISTEN_URL ?? url, keysSecret }
}

type LocalOptions = { dataDir: string; shared: boolean; log: Logger; closers: Closers }

/** Development only. Production requires DATABASE_URL, and its image lacks the embedded database. */
async function startLocalDatabase({
  dataDir,
  shared,
  log,
  closers,
}: LocalOptions): Promise<string> {
  const { startEmbeddedPostgres } = await import('../db/embedded/start.js')
  const { url, stop } = await startEmbeddedPostgres({ dataDir, shared })
  closers.push(stop)
  log.info('using the embedded database, for development only; set DATABASE_URL to use another')
  return url
}
