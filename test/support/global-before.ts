import { spawn } from 'node:child_process'
import { chmod, mkdir, mkdtemp, statfs, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { migrate } from '../../src/db/migrate.js'
import { adminQuery, stateFile, templateName, urlOf, type TestServer } from './database.js'

/**
 * One PostgreSQL for the whole run: the server that TEST_DATABASE_URL names, or the embedded one,
 * held by a process of its own until global-after ends it. One migrated database is the template:
 * each test's is a copy of its 300 files, ten times as fast to make in memory.
 */
const memory = '/dev/shm'
const server = process.env.TEST_DATABASE_URL
  ? { url: process.env.TEST_DATABASE_URL }
  : await startHolder()

await mkdir(new URL('.', stateFile), { recursive: true })
await writeFile(stateFile, JSON.stringify(server))
await adminQuery(`drop database if exists ${templateName} with (force)`)
await adminQuery(`create database ${templateName}`)
const quiet = { info: () => undefined, warn: console.error, error: console.error }
await migrate(urlOf(server.url, templateName), quiet)
process.exit(0)

async function startHolder(): Promise<TestServer> {
  const parent = (await isRoomy(memory)) ? memory : tmpdir()
  const dataDir = await mkdtemp(join(parent, 'gatehouse-test-'))
  await chmod(dataDir, 0o711)
  const holder = spawn(
    process.execPath,
    [new URL('hold-database.js', import.meta.url).pathname, dataDir],
    {
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  const url = await new Promise<string>((resolve, reject) => {
    holder.stdout.once('data', (line: Buffer) => {
      resolve(line.toString().trim())
    })
    holder.once('exit', (code) => {
      reject(new Error(`the test database did not start: ${code}`))
    })
  })
  return { url, dataDir, pid: holder.pid }
}

async function isRoomy(directory: string): Promise<boolean> {
  return statfs(directory).then(
    ({ bavail, bsize }) => bavail * bsize >= 2 ** 31,
    () => false,
  )
}
