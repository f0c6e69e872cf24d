import { readdirSync, readFileSync } from 'node:fs'
import type { Test } from 'tap'
import type { fill } from '../fixtures/fill.js'
import { queryAt, testDatabase } from './database.js'

const folder = new URL('../fixtures/', import.meta.url)

/** Every release whose database is kept, made by test/fixtures/make.ts. */
export const releases = readdirSync(folder)
  .filter((name) => name.endsWith('.sql'))
  .map((name) => name.replace('.sql', ''))

type Record = Awaited<ReturnType<typeof fill>>

/** A database that a release made and stopped using `age` seconds ago, and what its users and clients hold. */
export async function restoreRelease(t: Test, release: string, age = 60) {
  const read = (name: string) => readFileSync(new URL(name, folder), 'utf8')
  const record = JSON.parse(read(`${release}.json`)) as Record
  const madeAt = Date.parse(record.made_at)
  const later = Date.now() - age * 1_000 - madeAt
  const url = await testDatabase(t, { empty: true })
  // The rows get younger by as much as the clock of the service goes behind: tokens cannot be changed.
  const time = /\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?(?=\+00\b)/g
  const moved = (text: string) =>
    new Date(Date.parse(`${text}Z`) + later).toISOString().replace('Z', '')
  await queryAt(url, read(`${release}.sql`).replaceAll(time, moved))
  return { url, record, now: () => new Date(Date.now() - later) }
}
