// Keeps the code that V8 compiles while a bundle is loaded: `node OPTIONS scripts/code-cache.js BUNDLE`. V8 accepts
// it only with the same options. The bundle stops at an invalid configuration, before it connects to anything.
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Script } from 'node:vm'

const filename = resolve(process.argv[2])
const { href } = pathToFileURL(filename)
const script = new Script(readFileSync(filename, 'utf8'), { filename })
process.env.PORT = 'none'
process.on('exit', () => {
  process.exitCode = 0 // the configuration was to be invalid
  const cache = `${filename}.${process.version}-${process.arch}.cache`
  writeFileSync(cache, script.createCachedData())
})
script.runInThisContext()(createRequire(href), href)
