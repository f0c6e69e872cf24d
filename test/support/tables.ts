import type { TestApp } from './app.js'

export type Tables = Record<string, { rows: number; digest: string | null }>

/** The number of rows of every table of a test's database, and a digest of what is in them. */
export async function readTables({ sql }: Pick<TestApp, 'sql'>): Promise<Tables> {
  const names = await sql<{ name: string }>(
    `select quote_ident(tablename) as name from pg_tables where schemaname = 'public' order by 1`,
  )
  const tables: Tables = {}
  for (const { name } of names) {
    const [row] = await sql<Tables[string]>(
      `select count(*)::int as rows, md5(string_agg(md5(one::text), '' order by md5(one::text))) as digest
       from ${name} one`,
    )
    tables[name] = row!
  }
  return tables
}
