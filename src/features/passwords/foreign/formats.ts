import { readBareDigest, readDigest, readFbscrypt, readFirebase } from './digests.js'
import { readDjango, readMd5AndSha, readNodeScrypt, readWerkzeug } from './frameworks.js'
import { readArgon2, readBcrypt, readCrypt, readPasslib } from './modular-crypt.js'
import { digestSize, fromBase64, toDigest, type HashHints, type Reader } from './reading.js'
import { digestAlgorithms, partsOf, schemeOf, type DigestAlgorithm, type Recipe } from './recipe.js'
import { faultOfCost } from './costs.js'
import { faultOfStored, maxHashLength, readStored, writeStored, type StoredHash } from './stored.js'

/**
 * Reads a hash as another system stored it. Returns what is wrong with it if it cannot be verified, or costs more
 * than Gatehouse spends on a login.
 */
export function readForeign(text: string, hints: HashHints = {}): StoredHash | { fault: string } {
  if (text.length > maxHashLength) return { fault: 'is longer than any known hash' }
  const own = readStored(text)
  if (own) return bounded(own)
  for (const read of readers) {
    const found = read(text, hints)
    if (!found) continue
    if ('fault' in found) return found
    const { recipe, digest } = found
    if (!digest || digest.length < 16) return { fault: 'has a damaged digest' }
    if (faultOfCost(recipe) === undefined && !readStored(writeStored(recipe, digest)))
      return { fault: 'has a salt of more than 256 bytes' }
    return bounded({ recipe, digest, scheme: schemeOf(recipe) })
  }
  return { fault: 'has an unknown format' }
}

function bounded(stored: StoredHash): StoredHash | { fault: string } {
  const fault = faultOfStored(stored)
  return fault === undefined ? stored : { fault: `costs too much: ${fault}` }
}

/** Reads `md5(password+salt)`. Returns undefined for anything else. */
export function readDigestFormat(text: string): HashHints['digest'] {
  const [, name, form = ''] = /^([a-z0-9]+)\(([a-z+]+)\)$/.exec(text) ?? []
  const algorithm = digestAlgorithms.find((each) => each === name)
  return algorithm && partsOf(form) && { algorithm, form }
}

const readers: Reader[] = [
  readFbscrypt,
  readFirebase,
  readDigest,
  readWerkzeug,
  readDjango,
  readMd5AndSha,
  readBcrypt,
  readCrypt,
  readPasslib,
  readArgon2,
  readNodeScrypt,
  readBraced,
  readBareDigest,
]

/** `{SSHA}…` of RFC 2307 and of Dovecot. */
function readBraced(text: string, hints: HashHints): ReturnType<Reader> {
  const [, name = '', rest = ''] = /^\{([A-Za-z0-9-]{1,16})\}(.+)$/.exec(text) ?? []
  const scheme = name
    .toUpperCase()
    .replace('PLAIN-', '')
    .replace(/-CRYPT$/, '')
  if (rest.startsWith('$')) {
    const inner = readForeign(rest, hints)
    return 'fault' in inner ? inner : inner.digest && { recipe: inner.recipe, digest: inner.digest }
  }
  const [, salted, kind] = /^(S?)(MD5|SHA|SHA1|SHA256|SHA512)$/.exec(scheme) ?? []
  if (kind === undefined) return undefined
  const algorithm = (kind === 'SHA' ? 'sha1' : kind.toLowerCase()) as DigestAlgorithm
  const size = digestSize[algorithm]
  const bytes = salted ? fromBase64(rest) : toDigest(rest, size)
  if (!bytes || bytes.length < size + (salted ? 1 : 0)) return { fault: 'has a damaged digest' }
  const salt = bytes.subarray(size)
  const recipe: Recipe = { kind: 'digest', algorithm, form: 'password+salt', salt }
  return { recipe, digest: bytes.subarray(0, size) }
}
