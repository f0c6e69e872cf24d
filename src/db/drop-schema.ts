import type { Pool } from './pool.js'

/** Deletes every table with its rows, including the list of applied migrations. */
export async function dropSchema(db: Pool): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.query('drop schema public cascade')
    await tx.query('create schema public')
  })
}
