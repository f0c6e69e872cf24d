import { readdirSync } from 'node:fs'
import { migrationsDirectory } from './migrate.js'
import type { Db } from './pool.js'

/** What health checks and the doctor ask of the database itself. */
export function createDatabaseState(db: Db) {
  const one = async <Row>(text: string) => (await db.query<Row>(text)).rows[0] as Row

  return {
    /** @throws AppError `unavailable` without an answer */
    async ping(): Promise<void> {
      await db.query('select 1')
    },

    /** For example `16.3`. */
    async version(): Promise<string> {
      const text = `select current_setting('server_version') as version`
      return (await one<{ version: string }>(text)).version
    },

    /** In milliseconds since 1970. */
    async now(): Promise<number> {
      const text = 'select extract(epoch from clock_timestamp())::float * 1000 as ms'
      return (await one<{ ms: number }>(text)).ms
    },

    /** The names of all migrations of this version, and of those that the database lacks. */
    async migrations(): Promise<{ all: string[]; missing: string[] }> {
      const all = readdirSync(migrationsDirectory).map((name) => name.replace(/\.sql$/, ''))
      const { rows } = await db.query<{ name: string }>('select name from migrations')
      const done = rows.map(({ name }) => name)
      return { all, missing: all.filter((name) => !done.includes(name)) }
    },
  }
}

export type DatabaseState = ReturnType<typeof createDatabaseState>
