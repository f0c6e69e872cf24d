// The entry of dist/server.js. It runs the bundle of server.ts with the code that V8 compiled during the build. With
// another version of Node.js, or other options for V8, the bundle is compiled as usual, which takes longer.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants, Script } from 'node:vm'

/** The bundle, a function of `require` and its own URL. Its name has a hash of its content: see scripts/build.js. */
declare const BUNDLE: string

const url = new URL(BUNDLE, import.meta.url)
const cachedData = readCode(new URL(`${BUNDLE}.${process.version}-${process.arch}.cache`, url))
// The bundle is ASCII: to decode UTF-8 takes ten times as long.
const script = new Script(readFileSync(url, 'latin1'), {
  filename: url.href,
  importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  ...(cachedData && { cachedData }),
})
const run = script.runInThisContext() as (require: typeof requireLazily, url: string) => void
const require = createRequire(url)
run(requireLazily, url.href)

/** Fastify and prom-client load these modules of Node.js at once, and need them hardly ever. They take 15 ms. */
function requireLazily(name: string): unknown {
  if (!['http2', 'https'].includes(name.replace('node:', ''))) return require(name)
  return new Proxy({}, { get: (_, key) => (require(name) as Record<PropertyKey, unknown>)[key] })
}

/** The file begins with the SHA-256 of the code, because V8 crashes on damaged code. */
function readCode(file: URL): Buffer | undefined {
  try {
    const bytes = readFileSync(file)
    const code = bytes.subarray(32)
    const isWhole = createHash('sha256').update(code).digest().equals(bytes.subarray(0, 32))
    return isWhole ? code : undefined
  } catch {
    return undefined
  }
}
