import { readFileSync } from 'node:fs'
import { root } from './root.js'

const manifest = new URL('package.json', root)

/** The version of this release, such as `0.1.0`. */
export const { version: release } = JSON.parse(readFileSync(manifest, 'utf8')) as {
  version: string
}
