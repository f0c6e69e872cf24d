import { fileURLToPath } from 'node:url'
import { runner } from 'node-pg-migrate'

export const migrationsDirectory = fileURLToPath(new URL('../../migrations', import.meta.url))

type Log = {
  info(message: string): void
  warn(message: string): void
  error(message: string): void
}

/**
 * Brings the schema up to date, all in one transaction. Instances that start together wait for one
 * another on an advisory lock, and exactly one of them migrates.
 */
export async function migrate(databaseUrl: string, log: Log): Promise<void> {
  const done = await runner({
    databaseUrl,
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
