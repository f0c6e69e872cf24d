// Runs test files: `node scripts/test.js FOLDER|FILE… [--OPTION=VALUE of tap…]`. Files share a process: to start
// the process, its loader and the service costs more CPU than most files do.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const entries = join(root, '.tap/entries')
// These start processes, need browsers or take long: they run when they are named.
const slow = ['test/system', 'test/e2e', 'test/long']
const slowPerProcess = 4

const args = process.argv.slice(2)
const options = args.filter((arg) => arg.startsWith('-'))
const paths = args.filter((arg) => !arg.startsWith('-'))
const files = paths.length > 0 ? paths.flatMap(testsIn) : testsIn('test').filter(isQuick)

const written = writeEntries(files)

const { status } = spawnSync('tap', ['run', '--exclude=none', ...options, ...written], {
  cwd: root,
  stdio: 'inherit',
})
process.exit(status ?? 1)

function testsIn(path) {
  if (!statSync(resolve(root, path)).isDirectory()) return [path]
  return readdirSync(resolve(root, path), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => join(path, name))
    .sort()
}

function isQuick(file) {
  return !slow.some((folder) => file.startsWith(`${folder}/`))
}

/** Each entry is a process that takes the next file that no other has taken, so that all end together. */
function writeEntries(files) {
  const jobs = Number(options.findLast((option) => option.startsWith('--jobs='))?.slice(7) ?? 2)
  const count = files.every(isQuick) ? jobs : Math.ceil(files.length / slowPerProcess)
  const limit = files.every(isQuick) ? files.length : slowPerProcess
  rmSync(entries, { recursive: true, force: true })
  mkdirSync(join(entries, 'taken'), { recursive: true })
  return Array.from({ length: Math.min(count, files.length) }, (_, nth) => {
    const entry = join(entries, `${nth + 1}.test.ts`)
    writeFileSync(entry, entryFor(files, limit))
    return entry
  })
}

/** Imports each file within a test: tap ends a process whose root test has nothing to do. */
function entryFor(files, limit) {
  const named = files.map((file) => [file, pathToFileURL(resolve(root, file)).href])
  return `import { mkdirSync } from 'node:fs'
import t from 'tap'

function take(nth) {
  try {
    mkdirSync(new URL(\`taken/\${nth}\`, import.meta.url))
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  }
}

let count = 0
for (const [nth, [file, url]] of ${JSON.stringify(named)}.entries()) {
  if (count === ${limit}) break
  if (!take(nth)) continue
  count += 1
  await t.test(file, () => import(url))
}
if (count === 0) t.pass('the others have taken every file')
`
}
