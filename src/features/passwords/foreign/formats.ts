import {
  digestAlgorithms,
  faultOfCost,
  partsOf,
  schemeOf,
  toBytes,
  toNumber,
  type CryptId,
  type DigestAlgorithm,
  type Recipe,
} from './recipe.js'
import { faultOfStored, maxHashLength, readStored, writeStored, type StoredHash } from './stored.js'

/** What an import knows about its hashes beyond their text. */
export type HashHints = {
  /** `md5$` and `sha1$` of Django join salt and password; those of werkzeug are an HMAC. */
  django?: boolean
  /** How bare digests are made, such as `md5(password+salt)`. */
  digest?: { algorithm: DigestAlgorithm; form: string }
  /** The salt in a column of its own. */
  salt?: string
  /** The id of the stored key: of the application, or the signer key of Firebase. */
  key?: string
  firebase?: { ln: number; r: number; separator: Buffer }
}

type Read = { recipe: Recipe; digest: Buffer | undefined }
type Reader = (text: string, hints: HashHints) => Read | { fault: string } | undefined

/** werkzeug 2.0 to 2.2 take it for a hash that names none. */
export const werkzeugIterations = 260_000

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
  return { fault: 'is no hash of a known format' }
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

/** The signer key and the costs are the project's; the row has the digest, and the salt in another column. */
function readFirebase(text: string, { firebase, key, salt }: HashHints): ReturnType<Reader> {
  if (!firebase || key === undefined) return undefined
  const bytes = fromBase64(salt ?? '')
  if (!bytes) return { fault: 'has no salt: map a column to password_salt' }
  const { ln, r, separator } = firebase
  const recipe: Recipe = { kind: 'firebase', ln, r, key, salt: Buffer.concat([bytes, separator]) }
  return { recipe, digest: fromBase64(text) }
}

/** A bare digest, whose form the operator has named. */
function readDigest(text: string, hints: HashHints): ReturnType<Reader> {
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

const digestSize: Record<DigestAlgorithm, number> = { md5: 16, sha1: 20, sha256: 32, sha512: 64 }

/** `pbkdf2:sha256:260000$salt$hex`, `pbkdf2:sha256$salt$hex` and `scrypt:32768:8:1$salt$hex`. */
function readWerkzeug(text: string): ReturnType<Reader> {
  const byPbkdf2 = /^pbkdf2:(md5|sha1|sha256|sha512)(?::(\d{1,15}))?\$([^$]+)\$([0-9a-f]+)$/.exec(
    text,
  )
  if (byPbkdf2) {
    const [, algorithm, count, salt = '', hex = ''] = byPbkdf2
    const iterations = count === undefined ? werkzeugIterations : Number(count)
    return pbkdf2(algorithm as DigestAlgorithm, iterations, salt, Buffer.from(hex, 'hex'))
  }
  const [, n, r, p, salt = '', hex = ''] =
    /^scrypt:(\d{1,15}):(\d{1,15}):(\d{1,15})\$([^$]+)\$([0-9a-f]+)$/.exec(text) ?? []
  return n === undefined ? undefined : scrypt(n, r, p, salt, Buffer.from(hex, 'hex'))
}

/** `pbkdf2_sha256$N$salt$base64`, `scrypt$N$salt$r$p$base64`, `bcrypt$`, `bcrypt_sha256$`, `argon2$`. */
function readDjango(text: string): ReturnType<Reader> {
  const byPbkdf2 = /^pbkdf2_(sha1|sha256)\$(\d{1,15})\$([^$]+)\$([A-Za-z0-9+/=]+)$/.exec(text)
  if (byPbkdf2) {
    const [, algorithm, count, salt = '', base64 = ''] = byPbkdf2
    return pbkdf2(algorithm as DigestAlgorithm, Number(count), salt, fromBase64(base64))
  }
  const [, n, salt = '', r, p, base64 = ''] =
    /^scrypt\$(\d{1,15})\$([^$]+)\$(\d{1,15})\$(\d{1,15})\$([A-Za-z0-9+/=]+)$/.exec(text) ?? []
  if (n !== undefined) return scrypt(n, r, p, salt, fromBase64(base64))
  const [, name, rest = ''] = /^(bcrypt_sha256|bcrypt|argon2)\$(.+)$/.exec(text) ?? []
  if (name === 'argon2') return readArgon2(`$${rest}`)
  const made = name !== undefined && readBcrypt(rest)
  if (!made) return undefined
  const before = name === 'bcrypt_sha256' ? 'sha256-hex' : 'none'
  return { ...made, recipe: { ...made.recipe, before } }
}

/** `md5$salt$hex`: the HMAC of werkzeug, or the joined form of Django. */
function readMd5AndSha(text: string, { django = false }: HashHints): ReturnType<Reader> {
  const [, name, salt = '', hex = ''] =
    /^(md5|sha1|sha256|sha512)\$([^$]*)\$([0-9a-f]+)$/.exec(text) ?? []
  if (name === undefined) return undefined
  const algorithm = name as DigestAlgorithm
  // Django's unsalted SHA-1 has an empty salt. werkzeug always has one.
  const form = django || salt === '' ? 'salt+password' : 'hmac'
  const recipe: Recipe = { kind: 'digest', algorithm, form, salt: Buffer.from(salt) }
  return { recipe, digest: toDigest(hex, digestSize[algorithm]) }
}

/** `$2a$`, `$2b$` and `$2y$` are the same for us. `$2x$` marks the hashes of a faulty implementation. */
function readBcrypt(text: string) {
  const [, cost, salt = '', digest = ''] =
    /^\$2[aby]?\$(\d\d)\$([./A-Za-z0-9]{22})([./A-Za-z0-9]{31})$/.exec(text) ?? []
  if (cost === undefined) return undefined
  const recipe = { kind: 'bcrypt' as const, cost: Number(cost), salt, before: 'none' as const }
  return { recipe, digest: Buffer.from(digest) }
}

/** `$1$`, `$apr1$`, `$5$` and `$6$` of crypt(3). */
function readCrypt(text: string): ReturnType<Reader> {
  const [, id, rounds, salt = '', digest = ''] =
    /^\$(1|apr1|5|6)\$(?:rounds=(\d{1,15})\$)?([^$]{0,16})\$([./A-Za-z0-9]+)$/.exec(text) ?? []
  if (id === undefined) return undefined
  const isMd5 = id === '1' || id === 'apr1'
  const size = isMd5 ? 22 : id === '5' ? 43 : 86
  const isWellFormed =
    digest.length === size && !(isMd5 && (rounds !== undefined || salt.length > 8))
  if (!isWellFormed) return { fault: 'has a damaged digest' }
  const times = isMd5 ? 1_000 : Number(rounds ?? 5_000)
  const recipe: Recipe = { kind: 'crypt', id: id as CryptId, rounds: times, salt }
  return { recipe, digest: Buffer.from(digest) }
}

/** `$pbkdf2$`, `$pbkdf2-sha256$`, `$pbkdf2-sha512$`, `$scrypt$` and `$bcrypt-sha256$`. */
function readPasslib(text: string): ReturnType<Reader> {
  const [, hash, count, pbkdf2Salt = '', pbkdf2Digest = ''] =
    /^\$pbkdf2(?:-(sha256|sha512))?\$(\d{1,15})\$([./A-Za-z0-9]*)\$([./A-Za-z0-9]+)$/.exec(text) ??
    []
  if (count !== undefined) {
    const algorithm = (hash ?? 'sha1') as DigestAlgorithm
    const salt = toBytes(pbkdf2Salt.replaceAll('.', '+'))
    return (
      salt && pbkdf2(algorithm, Number(count), salt, toBytes(pbkdf2Digest.replaceAll('.', '+')))
    )
  }
  const [, ln, r, p, salt = '', digest = ''] =
    /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,15}),p=(\d{1,15})\$([+/A-Za-z0-9]*)\$([+/A-Za-z0-9]+)$/.exec(
      text,
    ) ?? []
  if (ln !== undefined) return scrypt(String(2 ** Number(ln)), r, p, toBytes(salt), toBytes(digest))
  const [, version, newCost, oldCost, bcryptSalt = '', bcryptDigest = ''] =
    /^\$bcrypt-sha256\$(?:v=(2),t=2b,r=(\d{1,2})|2[aby],(\d{1,2}))\$([./A-Za-z0-9]{22})\$([./A-Za-z0-9]{31})$/.exec(
      text,
    ) ?? []
  const cost = newCost ?? oldCost
  if (cost === undefined) return undefined
  const before = version === '2' ? 'hmac-base64' : 'sha256-base64'
  return {
    recipe: { kind: 'bcrypt', cost: Number(cost), salt: bcryptSalt, before },
    digest: Buffer.from(bcryptDigest),
  }
}

/** argon2 with its parameters in another order, or without the version, which is then 1.0. */
function readArgon2(text: string): ReturnType<Reader> {
  const [, type, version = '16', list = '', salt = '', digest = ''] =
    /^\$(argon2id|argon2i|argon2d)\$(?:v=(16|19)\$)?([mtp=,0-9]+)\$([+/A-Za-z0-9]+)\$([+/A-Za-z0-9]+)$/.exec(
      text,
    ) ?? []
  if (type === undefined) return undefined
  const pairs = list.split(',').map((pair) => pair.split('='))
  const value = (name: string) => toNumber(pairs.find(([key]) => key === name)?.[1])
  const costs = { m: value('m'), t: value('t'), p: value('p') }
  if (pairs.length !== 3) return { fault: 'has other parameters than m, t and p' }
  return {
    recipe: { kind: 'argon2', type: type as 'argon2id', version: Number(version), ...costs, salt },
    digest: toBytes(digest),
  }
}

/** `salt:hex` of better-auth and `s2:salt:hex` of Lucia: scrypt of the NFKC form, the salt as text. */
function readNodeScrypt(text: string): ReturnType<Reader> {
  const [, salt, hex = ''] = /^(?:s2:)?([A-Za-z0-9]{16,64}):([0-9a-f]{128})$/.exec(text) ?? []
  if (salt === undefined) return undefined
  const recipe = scrypt('16384', '16', '1', salt, Buffer.from(hex, 'hex'))
  return { ...recipe, recipe: { ...recipe.recipe, nfkc: true } }
}

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

/** Hexadecimal digits may be many things. Only Django's unsalted MD5 is told by its format. */
function readBareDigest(text: string, { django = false }: HashHints): ReturnType<Reader> {
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

function pbkdf2(
  algorithm: DigestAlgorithm,
  iterations: number,
  salt: string | Buffer,
  digest: Buffer | undefined,
): Read {
  const length = digest?.length ?? 0
  return {
    recipe: { kind: 'pbkdf2', algorithm, iterations, length, salt: Buffer.from(salt) },
    digest,
  }
}

/** N is a power of two (RFC 7914 §2). Anything else has no whole exponent and costs too much. */
function scrypt(
  n: string | undefined,
  r: string | undefined,
  p: string | undefined,
  salt: string | Buffer | undefined,
  digest: Buffer | undefined,
) {
  const exponent = Math.log2(Number(n))
  const ln = Number.isInteger(exponent) ? exponent : NaN
  const costs = { ln, r: Number(r), p: Number(p), length: digest?.length ?? 0 }
  const recipe = { kind: 'scrypt' as const, ...costs, nfkc: false, salt: Buffer.from(salt ?? '') }
  return { recipe, digest }
}

/** Base64 with the alphabet of URLs too, because Firebase exports that. */
const fromBase64 = (text: string) => toBytes(text.replaceAll('-', '+').replaceAll('_', '/'))

/** A digest of this size in hexadecimal or base64. */
function toDigest(text: string, size: number): Buffer | undefined {
  const isHex = text.length === 2 * size && /^[0-9a-f]+$/i.test(text)
  const bytes = isHex ? Buffer.from(text, 'hex') : fromBase64(text)
  return bytes?.length === size ? bytes : undefined
}
