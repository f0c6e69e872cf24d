import type { Pool } from './pool.js'

/** Deletes every table with its rows, the list of migrations too. */
export async function dropSchema(db: Pool): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.query('drop schema public cascade')
    await tx.query('create schema public')
  })
}
