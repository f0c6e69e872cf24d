import { readFile, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { OperatorError } from '../../errors.js'
import type { SourceRow } from '../../features/imports/row.js'
import { guessTable, type Selection, type Source } from './source.js'

type Row = Record<string, unknown>

/** What both libraries can do. */
type Database = {
  iterate: (sql: string) => Iterable<Row>
  close: () => void
}

/** The part of `node:sqlite` that is used. The types of Node.js 20 do not have it. */
type NodeSqlite = {
  DatabaseSync: new (
    path: string,
    options: { readOnly: boolean },
  ) => {
    prepare: (sql: string) => { iterate: () => Iterable<Row> }
    close: () => void
  }
}

/** sql.js reads the whole file into memory. */
const maxWhole = 512 * 1_048_576

/**
 * An SQLite file. Node.js 22.13 and newer read it in parts; an older one needs the package sql.js.
 * @throws OperatorError
 */
export async function openSqlite(path: string, selection: Selection): Promise<Source> {
  await refuseLive(path)
  const database = openWithNode(path) ?? (await openWithSqlJs(path))
  try {
    const sql = selection.query ?? `select * from ${quoted(chooseTable(database, path, selection))}`
    const [count] = [...database.iterate(`select count(*) as total from (${sql})`)]
    const total = Number(count?.total)
    let done = 0
    return {
      name: `${nameOf(sql, selection)} of ${basename(path)}`,
      rows: read(),
      progress: () => ({ done, total }),
      close: async () => database.close(),
    }

    async function* read(): AsyncGenerator<SourceRow> {
      for (const row of database.iterate(sql)) {
        done += 1
        yield { place: done, values: { ...row } }
      }
    }
  } catch (cause) {
    database.close()
    if (cause instanceof OperatorError) throw cause
    const message = cause instanceof Error ? cause.message : String(cause)
    throw new OperatorError(`${path} cannot be read: ${message}`, { cause })
  }
}

const nameOf = (sql: string, { query }: Selection) =>
  query === undefined ? sql.replace('select * from', 'table') : 'the query'

/** The log beside a file has changes that the file lacks, and the app may still write to it. */
async function refuseLive(path: string): Promise<void> {
  const { size } = await stat(`${path}-wal`).catch(() => ({ size: 0 }))
  if (size === 0) return
  throw new OperatorError(
    `${path} is in use: ${basename(path)}-wal has changes. Stop the app, or copy the file with: ` +
      `sqlite3 ${path} ".backup copy.db"`,
  )
}

function openWithNode(path: string): Database | undefined {
  const module = process.getBuiltinModule('node:sqlite' as 'node:fs') as unknown as
    NodeSqlite | undefined
  if (!module) return undefined
  const database = new module.DatabaseSync(path, { readOnly: true })
  return {
    iterate: (sql) => database.prepare(sql).iterate(),
    close: () => database.close(),
  }
}

type SqlJs = {
  Database: new (bytes: Uint8Array) => {
    prepare: (sql: string) => { step: () => boolean; getAsObject: () => Row; free: () => void }
    close: () => void
  }
}

async function openWithSqlJs(path: string): Promise<Database> {
  const { size } = await stat(path)
  if (size > maxWhole) {
    throw new OperatorError(
      `${path} has more than 512 MB, which this Node.js reads as a whole. Use Node.js 22.13 or newer`,
    )
  }
  const name = 'sql.js'
  const module = (await import(name).catch((cause: unknown) => {
    throw new OperatorError(
      'SQLite files need Node.js 22.13 or newer, or the package sql.js: npm install --no-save sql.js',
      { cause },
    )
  })) as { default: () => Promise<SqlJs> }
  const { Database: Opened } = await module.default()
  const database = new Opened(await readFile(path))
  return {
    *iterate(sql) {
      const statement = database.prepare(sql)
      try {
        while (statement.step()) yield statement.getAsObject()
      } finally {
        statement.free()
      }
    },
    close: () => database.close(),
  }
}

function chooseTable(database: Database, path: string, { table }: Selection): string {
  const listing = `select name from sqlite_master where type in ('table', 'view') and name not like 'sqlite_%'`
  const tables = [...database.iterate(listing)].map(({ name }) => String(name))
  const chosen = table ?? guessTable(tables)
  if (chosen !== undefined && tables.includes(chosen)) return chosen
  throw new OperatorError(
    `Name the table of users with --table. ${path} has: ${tables.slice(0, 50).join(', ')}`,
  )
}

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`
