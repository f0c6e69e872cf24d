import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { release } from '../config/release.js'
import { root } from '../config/root.js'
import { OperatorError } from '../errors.js'
import { codeOf } from './faults.js'

export const migrationsDirectory = fileURLToPath(new URL('migrations', root))

type Query = (text: string) => Promise<{ rows: unknown[] }>

/** The schema of a database, compared with the migrations of this release. */
export type Schema = {
  /** How many migrations this release has. */
  known: number
  /** The migrations of this release that the database lacks. */
  missing: string[]
  /** The migrations recorded in the database that this release does not have: a newer release ran them. */
  later: string[]
  /** The oldest release that can serve the schema; undefined if the schema does not record it yet. */
  leastRelease: string | undefined
}

/** @throws OperatorError if the table `migrations` is another application's */
export async function readSchema(query: Query): Promise<Schema> {
  const [hasMigrations, hasLeastRelease] = await column<boolean>(
    `select to_regclass(name) is not null as value
     from unnest('{migrations,schema_compatibility}'::text[]) with ordinality as t (name, place)
     order by place`,
  )
  const known = readdirSync(migrationsDirectory).map((file) => file.replace(/\.sql$/, ''))
  const done = hasMigrations
    ? await column<string>('select name as value from migrations').catch(refuseShared)
    : []
  const least = hasLeastRelease
    ? await column<string>('select least_release as value from schema_compatibility')
    : []
  return {
    known: known.length,
    missing: known.filter((name) => !done.includes(name)),
    later: done.filter((name) => !known.includes(name)),
    leastRelease: least[0],
  }

  async function column<Value>(text: string): Promise<Value[]> {
    return (await query(text)).rows.map((row) => (row as { value: Value }).value)
  }
}

/** SQLSTATE of a table, column, object or function that exists already, and of a column that does not. */
const isTaken = /^(42P07|42701|42710|42723|42703)$/

/** Explains the errors of a first migration in a database that another application uses. @throws always */
export function refuseShared(error: unknown): never {
  if (!(error instanceof Error) || !isTaken.test(codeOf(error))) throw error
  throw new OperatorError(
    `the database has tables of another application (${error.message}): ` +
      'create a database for Gatehouse alone, and name it in DATABASE_URL',
    { cause: error },
  )
}

/** The schema needs a later release. This release must not read or write it. */
export class LaterSchemaError extends OperatorError {}

/** @throws LaterSchemaError if the schema needs a later release than this one */
export function requireServable(
  { leastRelease }: Pick<Schema, 'leastRelease'>,
  own = release,
): void {
  if (leastRelease === undefined || !isOlder(own, leastRelease)) return
  throw new LaterSchemaError(
    `the database schema needs Gatehouse ${leastRelease} or newer, and this is Gatehouse ${own}: ` +
      'start a newer release, or restore the backup from before the upgrade',
  )
}

/** Compares the numbers of two releases: 0.10.0 is newer than 0.9.0. A pre-release is not older than its release. */
export function isOlder(one: string, other: string): boolean {
  const [left, right] = [numbersOf(one), numbersOf(other)]
  const at = left.findIndex((number, index) => number !== right[index])
  return at !== -1 && (left[at] ?? 0) < (right[at] ?? 0)
}

const numbersOf = (release: string) => (/^[\d.]+/.exec(release)?.[0] ?? '').split('.').map(Number)
