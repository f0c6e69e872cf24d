import type { Pool } from './pool.js'
import { readSchema } from './schema.js'

/** The state of the database itself, for health checks and `gatehouse doctor`. */
export function createDatabaseState(db: Pick<Pool, 'query' | 'queryWithoutWaiting'>) {
  const one = async <Row>(text: string) => (await db.query<Row>(text)).rows[0] as Row

  return {
    /** Does not wait for a busy pool. @throws AppError `unavailable` if the database does not answer */
    async ping(): Promise<void> {
      await db.queryWithoutWaiting('select 1')
    },

    /** The version of the server, for example `16.3`. */
    async version(): Promise<string> {
      const text = `select current_setting('server_version') as version`
      return (await one<{ version: string }>(text)).version
    },

    /** The clock of the database, in milliseconds since 1970. */
    async now(): Promise<number> {
      const text = 'select extract(epoch from clock_timestamp())::float * 1000 as ms'
      return (await one<{ ms: number }>(text)).ms
    },

    schema: () => readSchema((text) => db.query(text)),
  }
}

export type DatabaseState = ReturnType<typeof createDatabaseState>
