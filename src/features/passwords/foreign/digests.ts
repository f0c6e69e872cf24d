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

const fbscrypt =
  /^\$fbscrypt\$v=1,n=(?<n>\d{1,2}),r=(?<r>\d{1,3}),p=(?<p>\d{1,2})(?:,ss=(?<ss>[^,$]+))?,sk=(?<sk>[^,$]+)\$(?<salt>[^$]+)\$(?<digest>[^$]+)$/

/** The signer key in a hash `$fbscrypt$`, as its text; undefined for anything else. */
export const findSignerKey = (text: string) => fbscrypt.exec(text)?.groups?.sk

/** A hash of Firebase in an export of GoTrue. It contains the signer key, which is stored apart and sealed. */
export function readFbscrypt(text: string, { signerKeys }: HashHints): ReturnType<Reader> {
  if (!text.startsWith('$fbscrypt$')) return undefined
  const { groups } = fbscrypt.exec(text) ?? {}
  const { n, r, p, ss = '', sk = '', salt = '', digest = '' } = groups ?? {}
  const bytes = fromBase64(salt)
  const separator = fromBase64(ss)
  if (!groups || !bytes || !separator)
    return { fault: 'is not $fbscrypt$v=1,n=…,r=…,p=1,ss=…,sk=…$salt$hash' }
  if (p !== '1') return { fault: 'costs too much: $fbscrypt$ may have p=1' }
  const key = signerKeys?.get(sk)
  if (key === undefined) return { fault: 'has one signer key too many, or a damaged one' }
  const joined = Buffer.concat([bytes, separator])
  const recipe: Recipe = { kind: 'firebase', ln: Number(n), r: Number(r), key, salt: joined }
  return { recipe, digest: fromBase64(digest) }
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
