import type { SourceRow } from '../../features/imports/row.js'

/** Where users are read from. */
export type Source = {
  /** What is read, such as "table users of app.db". */
  name: string
  rows: AsyncIterable<SourceRow>
  /** The columns, if the source names them before its first row. */
  columns?: string[]
  /** How far it is: the unit of both is the same. Undefined if the total is unknown. */
  progress: () => { done: number; total: number } | undefined
  close: () => Promise<void>
}

/** What a database is asked for. */
export type Selection = { table?: string | undefined; query?: string | undefined }

const usualTables = ['users', 'user', 'auth_user', 'accounts', 'account', 'members', 'profiles']

/** The table that probably has the users; undefined if none stands out. */
export function guessTable(tables: readonly string[]): string | undefined {
  const bare = (name: string) => name.slice(name.lastIndexOf('.') + 1).toLowerCase()
  const usual = usualTables.flatMap((name) => tables.filter((table) => bare(table) === name))
  return usual[0] ?? (tables.length === 1 ? tables[0] : undefined)
}

/** Reads the first rows ahead, to learn the columns and the hashes. `rows` gives them again. */
export async function peek(
  rows: AsyncIterable<SourceRow>,
  count: number,
): Promise<{ sample: SourceRow[]; rows: AsyncIterable<SourceRow> }> {
  const sample: SourceRow[] = []
  const iterator = rows[Symbol.asyncIterator]()
  while (sample.length < count) {
    const next = await iterator.next()
    if (next.done) break
    sample.push(next.value)
  }
  return { sample, rows: again() }

  async function* again() {
    yield* sample
    yield* { [Symbol.asyncIterator]: () => iterator }
  }
}
