import { readFileSync } from 'node:fs'
import { readForeign } from '../../src/features/passwords/foreign/formats.js'
import { writeStored } from '../../src/features/passwords/foreign/stored.js'

export type ForeignHash = {
  name: string
  password: string
  hash: string
  /** How the hash is made, where its text does not say it. */
  hint?: string
  salt?: string
  key?: string
}

const file = new URL('../fixtures/hashes/hashes.json', import.meta.url)

/** Hashes that other libraries made: test/fixtures/hashes/make.py. */
export const foreignHashes = JSON.parse(readFileSync(file, 'utf8')) as ForeignHash[]

/** The hash of `correct horse battery` in this format, as it is stored. */
export function foreignHash(format: string): { hash: string; scheme: string } {
  const stored = readForeign(foreignHashes.find(({ name }) => name === format)?.hash ?? '')
  if ('fault' in stored || !stored.digest) throw new Error(format)
  return { hash: writeStored(stored.recipe, stored.digest), scheme: stored.scheme }
}
