// Runs test files: `node scripts/test.js FOLDER|FILE… [--OPTION=VALUE of tap…]`. The files of a folder share
// a process: to start the process, its loader and the service costs more CPU than most files do.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const entries = join(root, '.tap/entries')
// These start processes, need browsers or take long: they run when they are named.
const slow = ['test/system', 'test/e2e', 'test/long']
const perProcess = 22
const slowPerProcess = 4

const args = process.argv.slice(2)
const options = args.filter((arg) => arg.startsWith('-'))
const paths = args.filter((arg) => !arg.startsWith('-'))
const files = paths.length > 0 ? paths.flatMap(testsIn) : testsIn('test').filter(isQuick)

rmSync(entries, { recursive: true, force: true })
mkdirSync(entries, { recursive: true })
const written = groupsOf(files).map((group, nth) => {
  const entry = join(entries, `${nth + 1}.test.ts`)
  writeFileSync(entry, entryFor(group))
  return entry
})

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

/** Deals the files out to `count` groups, so that each has some of every folder. */
function groupsOf(files) {
  const limit = files.every(isQuick) ? perProcess : slowPerProcess
  const count = Math.ceil(files.length / limit)
  return Array.from({ length: count }, (_, nth) => files.filter((_, at) => at % count === nth))
}

/** Imports each file within a test: tap ends a process whose root test has nothing to do. */
function entryFor(files) {
  const named = files.map((file) => [file, pathToFileURL(resolve(root, file)).href])
  return `import t from 'tap'
for (const [file, url] of ${JSON.stringify(named)}) await t.test(file, () => import(url))
`
}
