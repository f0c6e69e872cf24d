// Keeps the code that V8 compiles while a bundle is loaded: `node OPTIONS scripts/code-cache.js BUNDLE`. V8 accepts
// it only with the same options. The bundle stops at an invalid configuration, before it connects to anything.
import { createHash } from 'node:crypto'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Script } from 'node:vm'

const filename = resolve(process.argv[2])
const { href } = pathToFileURL(filename)
const script = new Script(readFileSync(filename, 'latin1'), { filename })
const complain = console.error
let complaint = ''
process.env.PORT = 'none'
console.error = (text) => (complaint += text)
process.on('exit', () => {
  if (!complaint.startsWith('Invalid configuration: PORT')) {
    complain(`the bundle cannot be loaded: ${complaint}`)
    process.exitCode = 1
    return
  }
  process.exitCode = 0
  const code = script.createCachedData()
  const cache = `${filename}.${process.version}-${process.arch}.cache`
  // V8 does not check what it reads, so the server does.
  writeFileSync(`${cache}.part`, Buffer.concat([createHash('sha256').update(code).digest(), code]))
  renameSync(`${cache}.part`, cache)
})
script.runInThisContext()(createRequire(href), href)
