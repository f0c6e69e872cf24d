import { fileURLToPath } from 'node:url'
import { runner } from 'node-pg-migrate'
import pg from 'pg'
import { closeAtOnce } from './close-at-once.js'

export const migrationsDirectory = fileURLToPath(new URL('../../migrations', import.meta.url))

type Log = {
  info(message: string): void
  warn(message: string): void
  error(message: string): void
}

/**
 * Brings the schema up to date, all in one transaction. Instances that start together wait for one
 * another on an advisory lock, and exactly one of them migrates.
 * @throws Error when PostgreSQL cannot be reached within five seconds, or a migration fails
 */
export async function migrate(databaseUrl: string, log: Log): Promise<void> {
  const client = new pg.Client({
    connectionString: databaseUrl,
    application_name: 'gatehouse migrations',
    connectionTimeoutMillis: 5_000,
    // Another instance may migrate for long; only the link itself must not be waited for.
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await run(client, log)
  } finally {
    closeAtOnce(client)
  }
}

async function run(dbClient: pg.Client, log: Log): Promise<void> {
  const done = await runner({
    dbClient,
    dir: migrationsDirectory,
    direction: 'up',
    migrationsTable: 'migrations',
    advisoryLockMode: 'wait',
    singleTransaction: true,
    logger: {
      info: () => undefined,
      warn: (message) => log.warn(message),
      error: (message) => log.error(message),
    },
  })
  for (const { name } of done) log.info(`migrated ${name}`)
}
