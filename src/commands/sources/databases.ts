import pg from 'pg'
import { toConnectionString } from '../../db/connection-string.js'
import { OperatorError } from '../../errors.js'
import type { SourceRow } from '../../features/imports/row.js'
import { guessTable, type Selection, type Source } from './source.js'

type Row = Record<string, unknown>

const inBatches = 1_000

/** A table or a query of PostgreSQL, read in one snapshot. @throws OperatorError */
export async function openPostgres(url: string, selection: Selection): Promise<Source> {
  const client = new pg.Client({
    connectionString: toConnectionString(url),
    application_name: 'gatehouse import',
    connectionTimeoutMillis: 10_000,
    // A time without a zone is read as text: it is in UTC, not in the zone of this host.
    types: { getTypeParser: () => (text: string) => text },
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('begin isolation level repeatable read read only')
    const sql = await selectOf(selection, tablesOf)
    const { rows } = await client.query<{ count: string }>(
      `select count(*) as count from (${sql}) as source`,
    )
    await client.query(`declare source no scroll cursor for ${sql}`)
    return toSource(sql, selection, Number(rows[0]?.count), read(), () => client.end())
  } catch (cause) {
    await client.end().catch(() => undefined)
    throw asOperatorError(cause)
  }

  async function tablesOf(): Promise<string[]> {
    const { rows } = await client.query<{ name: string }>(
      `select case when table_schema = 'public' then table_name
         else table_schema || '.' || table_name end as name
       from information_schema.tables
       where table_schema not in ('pg_catalog', 'information_schema')
       order by table_schema <> 'public', table_name`,
    )
    return rows.map(({ name }) => name)
  }

  async function* read(): AsyncGenerator<Row> {
    for (;;) {
      const { rows } = await client.query<Row>(`fetch ${String(inBatches)} from source`)
      yield* rows
      if (rows.length < inBatches) return
    }
  }
}

/** A table or a query of MySQL or MariaDB, by the optional package mysql2. @throws OperatorError */
export async function openMysql(url: string, selection: Selection): Promise<Source> {
  const mysql = await import('mysql2').catch((cause: unknown) => {
    throw new OperatorError('MySQL needs the package mysql2: npm install --no-save mysql2', {
      cause,
    })
  })
  const connection = mysql.default.createConnection({
    uri: url.replace(/^mariadb:/, 'mysql:'),
    dateStrings: true,
    supportBigNumbers: true,
    connectTimeout: 10_000,
  })
  connection.on('error', () => undefined)
  const ask = (sql: string) =>
    new Promise<Row[]>((resolve, reject) => {
      connection.query(sql, (error: Error | null, rows: unknown) =>
        error ? reject(error) : resolve(rows as Row[]),
      )
    })
  const end = async () => connection.destroy()
  try {
    await ask('start transaction with consistent snapshot, read only')
    const sql = await selectOf(selection, tablesOf, '`')
    const [count] = await ask(`select count(*) as count from (${sql}) as source`)
    const rows = connection.query(sql).stream({ highWaterMark: inBatches })
    return toSource(sql, selection, Number(count?.count), rows as AsyncIterable<Row>, end)
  } catch (cause) {
    await end()
    throw asOperatorError(cause)
  }

  async function tablesOf(): Promise<string[]> {
    const listing =
      'select table_name as name from information_schema.tables where table_schema = database() order by 1'
    return (await ask(listing)).map(({ name }) => String(name))
  }
}

/** @throws OperatorError if the table is unknown, or none stands out */
async function selectOf(
  { table, query }: Selection,
  tablesOf: () => Promise<string[]>,
  quote = '"',
): Promise<string> {
  if (query !== undefined) return query.trim().replace(/;$/, '')
  const tables = await tablesOf()
  const chosen = table ?? guessTable(tables)
  if (chosen === undefined || !tables.includes(chosen)) {
    throw new OperatorError(
      `Name the table of users with --table. The database has: ${tables.slice(0, 50).join(', ')}`,
    )
  }
  const parts = chosen
    .split('.')
    .map((part) => quote + part.replaceAll(quote, quote + quote) + quote)
  return `select * from ${parts.join('.')}`
}

function toSource(
  sql: string,
  { query }: Selection,
  total: number,
  rows: AsyncIterable<Row>,
  close: () => Promise<void>,
): Source {
  let done = 0
  return {
    name: query === undefined ? sql.replace('select * from', 'table') : 'the query',
    rows: read(),
    progress: () => ({ done, total }),
    close,
  }

  async function* read(): AsyncGenerator<SourceRow> {
    for await (const row of rows) {
      done += 1
      yield { place: done, values: { ...row } }
    }
  }
}

function asOperatorError(cause: unknown): OperatorError {
  if (cause instanceof OperatorError) return cause
  const message = cause instanceof Error ? cause.message || cause.name : String(cause)
  return new OperatorError(`The source database cannot be read: ${message}`, { cause })
}
