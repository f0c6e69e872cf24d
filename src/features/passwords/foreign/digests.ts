// Digests whose text does not tell how they were made: the import says it.
import { digestSize, fromBase64, toDigest, type HashHints, type Reader } from './reading.js'
import { partsOf, type Recipe } from './recipe.js'

/** The signer key and the costs are the project's; the row has the digest, and the salt in another column. */
export function readFirebase(text: string, { firebase, key, salt }: HashHints): ReturnType<Reader> {
  if (!firebase || key === undefined) return undefined
  const bytes = fromBase64(salt ?? '')
  if (!bytes) return { fault: 'has no salt: map a column to password_salt' }
  const { ln, r, separator } = firebase
  const recipe: Recipe = { kind: 'firebase', ln, r, key, salt: Buffer.concat([bytes, separator]) }
  return { recipe, digest: fromBase64(text) }
}

/** A bare digest, whose form the operator has named. */
export function readDigest(text: string, hints: HashHints): ReturnType<Reader> {
  if (!hints.digest) return undefined
  const { algorithm, form } = hints.digest
  const size = digestSize[algorithm]
  const digest = toDigest(text, size)
  if (!digest) return undefined
  const parts = partsOf(form) ?? []
  if (parts.includes('salt') && !hints.salt)
    return { fault: 'has no salt: map a column to password_salt' }
  if (parts.includes('key') && hints.key === undefined)
    return { fault: 'needs the key of the application: add --salt-key-file' }
  const salt = Buffer.from(parts.includes('salt') ? (hints.salt ?? '') : '')
  const key = parts.includes('key') && hints.key
  return { recipe: { kind: 'digest', algorithm, form, salt, ...(key && { key }) }, digest }
}

/** Hexadecimal digits may be many things. Only Django's unsalted MD5 is told by its format. */
export function readBareDigest(text: string, { django = false }: HashHints): ReturnType<Reader> {
  if (!/^([0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{128})$/i.test(text)) return undefined
  if (!django || text.length !== 32) {
    return {
      fault: 'is a bare digest: say how it is made, such as --hash-format "md5(password+salt)"',
    }
  }
  const salt = Buffer.alloc(0)
  return {
    recipe: { kind: 'digest', algorithm: 'md5', form: 'salt+password', salt },
    digest: toDigest(text, 16),
  }
}
