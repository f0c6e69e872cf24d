import { execFile } from 'node:child_process'
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'

const root = fileURLToPath(new URL('../../', import.meta.url))
const options = '--max-semi-space-size=4'

/** What was built, in a folder of its own. */
function built(t: Test) {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-dist-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  cpSync(join(root, 'dist'), join(folder, 'dist'), { recursive: true })
  cpSync(join(root, 'package.json'), join(folder, 'package.json'))
  symlinkSync(join(root, 'src'), join(folder, 'src'))
  const caches = () => readdirSync(join(folder, 'dist')).filter((name) => name.endsWith('.cache'))
  return { folder, caches, cache: () => join(folder, 'dist', caches()[0] ?? '') }
}

/** Runs the server up to its configuration, which is invalid. */
function startIn(folder: string, ...args: string[]) {
  return new Promise<string>((resolve) => {
    const env = { ...process.env, PORT: 'none' }
    execFile(process.execPath, [...args, 'dist/server.js'], { cwd: folder, env }, (error, _, err) =>
      resolve(`${String(error?.code)} ${err}`),
    )
  })
}

t.test('the build keeps the compiled code for the options of npm start', async (t) => {
  const { folder, caches } = built(t)
  t.ok(caches().some((name) => name.includes(`.${process.version}-${process.arch}.`)))
  t.match(await startIn(folder, options), /^1 Invalid configuration: PORT/)
})

t.test('the server starts without it, with other options, and with a part of it', async (t) => {
  const { folder, caches, cache } = built(t)
  t.match(await startIn(folder), /^1 Invalid configuration: PORT/, 'other options')
  for (const bytes of [100_000, 100, 0]) {
    for (const name of caches()) truncateSync(join(folder, 'dist', name), bytes)
    t.match(await startIn(folder, options), /^1 Invalid configuration: PORT/, `${bytes} bytes`)
  }
  writeFileSync(
    cache(),
    readFileSync(join(root, 'dist', basename(cache()))).fill(0, 200_000, 400_000),
  )
  t.match(await startIn(folder, options), /^1 Invalid configuration: PORT/, 'damaged')
  rmSync(cache())
  t.match(await startIn(folder, options), /^1 Invalid configuration: PORT/, 'none')
})
