// How fast users are imported, and with how much memory: a CSV file of users whose hashes are strong, and one of a
// hundredth as many whose hashes are weak, each by `gatehouse import` into a new database. `npm run bench:import
// [-- 100000]`. DATABASE_URL names a PostgreSQL server on which databases can be made.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { benchDatabase } from './support/database.js'
import { memoryOf } from './support/group.js'

const count = Number(process.argv[2] ?? 100_000)
const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url))
const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'))
const strong = `$2b$12$${'abcdefghijklmnopqrstuu'}${'A'.repeat(30)}O`
const weak = (nth) => `md5$salt$${createHash('md5').update(String(nth)).digest('hex')}`

console.log('| | rows | seconds | rows a second | highest memory |\n|---|---|---|---|---|')
try {
  await measure('strong hashes', count, () => strong)
  await measure('weak hashes', Math.ceil(count / 100), weak)
} finally {
  rmSync(dataDir, { recursive: true, force: true })
}
console.log(`\nNode.js ${process.version}`)

async function measure(what, rows, hashOf) {
  const file = join(dataDir, 'users.csv')
  const lines = Array.from({ length: rows }, (_, nth) => `user-${nth}@example.org,${hashOf(nth)}`)
  writeFileSync(file, `email,password\n${lines.join('\n')}\n`)
  const { url, sql, drop } = await benchDatabase()
  try {
    await run(['users', 'list'], url) // makes the tables
    const began = performance.now()
    const highest = await run(['import', file], url)
    const seconds = (performance.now() - began) / 1_000
    const { rows: found } = await sql.query('select count(*)::int as users from users')
    if (found[0].users !== rows) throw new Error(`${found[0].users} users of ${rows}`)
    const cells = [
      rows,
      seconds.toFixed(1),
      (rows / seconds).toFixed(0),
      `${highest.toFixed(0)} MB`,
    ]
    console.log(`| ${what} | ${cells.join(' | ')} |`)
  } finally {
    await drop()
  }
}

/** @returns the highest memory, in MB */
async function run(args, url) {
  const command = spawn(process.execPath, [cli, ...args], {
    cwd: dataDir,
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      PATH: process.env.PATH,
      DATABASE_URL: url,
      DATA_DIR: dataDir,
      KEYS_SECRET: 'bench-0123456789-abcdefghij-ABCDEFGHIJ',
    },
  })
  let highest = 0
  const sampler = setInterval(() => (highest = Math.max(highest, memoryOf(command.pid))), 100)
  const [code] = await once(command, 'exit')
  clearInterval(sampler)
  if (code !== 0) throw new Error(`gatehouse ${args.join(' ')} ended with ${code}`)
  return highest
}
