import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import pg from 'pg'
import type { Test } from 'tap'

export type TestServer = { url: string; pid?: number | undefined; dataDir?: string }

// One of each for a run of tap, which is the parent of every test file and of before and after.
const run = process.ppid
export const templateName = `gatehouse_template_${run}`
export const stateFile = new URL(`../../.tap/database/${run}.json`, import.meta.url)

/** The URL of another database on the same server. */
export function urlOf(url: string, database: string): string {
  const changed = new URL(url)
  changed.pathname = `/${database}`
  return changed.href
}

const server = () => JSON.parse(readFileSync(stateFile, 'utf8')) as TestServer

let admin: pg.Pool | undefined

/** One statement, outside of any test's database. A connection costs more than most of the statements. */
export async function adminQuery(text: string) {
  admin ??= new pg.Pool({
    connectionString: urlOf(server().url, 'postgres'),
    allowExitOnIdle: true,
  }).on('error', () => undefined)
  return (await admin.query(text)).rows as unknown[]
}

/** One statement in a database, past the service. */
export async function queryAt<Row = Record<string, unknown>>(
  url: string,
  text: string,
  values?: unknown[],
) {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query(text, values)
    return rows as Row[]
  } finally {
    await client.end()
  }
}

/** Statements in a database, past the service, over few connections that outlive each of them. */
export function statementsAt(t: Test, url: string) {
  const pool = new pg.Pool({ connectionString: url, max: 4, idleTimeoutMillis: 0 })
  pool.on('error', () => undefined) // a test ends connections, and databases
  t.teardown(() => pool.end())
  return async <Row = Record<string, unknown>>(text: string, values?: unknown[]) => {
    const { rows } = await pool.query(text, values)
    return rows as Row[]
  }
}

/** The URL of a new database, migrated unless `empty`; it goes when the test ends. */
export async function testDatabase(t: Test, { empty = false } = {}): Promise<string> {
  const name = `t_${randomBytes(6).toString('hex')}`
  const template = empty ? 'template0' : templateName
  await createFrom(template, name)
  // In the background, because PostgreSQL waits for the service's connections in steps of 100 ms.
  t.teardown(() => void drop(name))
  return urlOf(server().url, name)
}

const drop = (name: string) =>
  adminQuery(`drop database if exists ${name} with (force)`).catch(() => undefined)

/** The template admits one copy at a time; another test file may be at it. */
async function createFrom(template: string, name: string, tries = 50): Promise<void> {
  try {
    await adminQuery(`create database ${name} template ${template} strategy file_copy`)
  } catch (error) {
    const busy = error instanceof pg.DatabaseError && error.code === '55006'
    if (!busy || tries === 0) throw error
    await new Promise((resolve) => setTimeout(resolve, 50))
    await createFrom(template, name, tries - 1)
  }
}
