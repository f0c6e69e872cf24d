import { dropSchema } from '../db/drop-schema.js'
import { migrate } from '../db/migrate.js'
import type { Pool } from '../db/pool.js'

type Log = Parameters<typeof migrate>[1]

/** Deletes all data and creates an empty schema. */
export async function resetDatabase(db: Pool, url: string, log: Log): Promise<void> {
  await dropSchema(db)
  await migrate(url, log)
}
