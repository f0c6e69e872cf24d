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

/** One statement, outside of any test's database. */
export const adminQuery = (text: string) => queryAt(urlOf(server().url, 'postgres'), text)

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

/** The URL of a new database, migrated unless `empty`; it goes when the test ends. */
export async function testDatabase(t: Test, { empty = false } = {}): Promise<string> {
  const name = `t_${randomBytes(6).toString('hex')}`
  const template = empty ? 'template0' : templateName
  await createFrom(template, name)
  t.teardown(() => adminQuery(`drop database if exists ${name} with (force)`))
  return urlOf(server().url, name)
}

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
