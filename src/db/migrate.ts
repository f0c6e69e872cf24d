import pg from 'pg'
import { closeAtOnce } from './close-at-once.js'
import { toConnectionString } from './connection-string.js'
import { migrationsDirectory, readSchema, refuseShared, requireServable } from './schema.js'

type Log = {
  info(message: string): void
  warn(message: string): void
  error(message: string): void
}

/** The advisory lock of node-pg-migrate. Earlier releases take it too. */
export const migrationLock = 7_241_865_325_823_964

/**
 * Runs the missing migrations in one transaction. An advisory lock makes sure that only one of the
 * instances that start together migrates; the others wait for it.
 * @throws LaterSchemaError if the schema needs a later release
 * @throws Error if PostgreSQL does not answer within five seconds, or a migration fails
 */
export async function migrate(databaseUrl: string, log: Log): Promise<void> {
  const client = new pg.Client({
    connectionString: toConnectionString(databaseUrl),
    application_name: 'gatehouse migrations',
    connectionTimeoutMillis: 5_000,
    // Waiting for another instance's migration may take long, so there is no statement timeout. TCP
    // keep-alive ends the wait if the network link is dead.
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    // Taking the lock here also protects the check of the schema.
    await client.query('select pg_advisory_lock($1)', [migrationLock])
    try {
      await run(client, log)
    } finally {
      // A pooler keeps the connection open after this client ends, and the connection would keep the lock.
      await client.query('select pg_advisory_unlock($1)', [migrationLock]).catch(() => undefined)
    }
  } finally {
    closeAtOnce(client)
  }
}

async function run(dbClient: pg.Client, log: Log): Promise<void> {
  const schema = await readSchema((text) => dbClient.query(text))
  requireServable(schema)
  if (schema.later.length > 0) {
    log.info(
      `a later release has run migrations that this release can serve: ${schema.later.join(', ')}`,
    )
  }
  if (schema.missing.length === 0) return
  // Loaded only when it is needed: it is large, and most starts have nothing to migrate.
  const { runner } = await import('node-pg-migrate')
  const isFirst = schema.missing.length === schema.known
  const running = runner({
    dbClient,
    dir: migrationsDirectory,
    direction: 'up',
    migrationsTable: 'migrations',
    noLock: true,
    singleTransaction: true,
    logger: {
      info: () => undefined,
      warn: (message) => log.warn(message),
      error: (message) => isFirst || log.error(message),
    },
  })
  const done = await (isFirst ? running.catch(refuseShared) : running)
  for (const { name } of done) log.info(`migrated ${name}`)
}
