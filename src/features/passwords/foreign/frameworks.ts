// The hashes of werkzeug, Django, better-auth and Lucia.
import { readArgon2, readBcrypt } from './modular-crypt.js'
import {
  digestSize,
  fromBase64,
  pbkdf2,
  scrypt,
  toDigest,
  type HashHints,
  type Reader,
} from './reading.js'
import type { DigestAlgorithm, Recipe } from './recipe.js'

/** werkzeug 2.0 to 2.2 take it for a hash that names none. */
export const werkzeugIterations = 260_000

/** `pbkdf2:sha256:260000$salt$hex`, `pbkdf2:sha256$salt$hex` and `scrypt:32768:8:1$salt$hex`. */
export function readWerkzeug(text: string): ReturnType<Reader> {
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
export function readDjango(text: string): ReturnType<Reader> {
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
export function readMd5AndSha(text: string, { django = false }: HashHints): ReturnType<Reader> {
  const [, name, salt = '', hex = ''] =
    /^(md5|sha1|sha256|sha512)\$([^$]*)\$([0-9a-f]+)$/.exec(text) ?? []
  if (name === undefined) return undefined
  const algorithm = name as DigestAlgorithm
  // Django's unsalted SHA-1 has an empty salt. werkzeug always has one.
  const form = django || salt === '' ? 'salt+password' : 'hmac'
  const recipe: Recipe = { kind: 'digest', algorithm, form, salt: Buffer.from(salt) }
  return { recipe, digest: toDigest(hex, digestSize[algorithm]) }
}

/** `salt:hex` of better-auth and `s2:salt:hex` of Lucia: scrypt of the NFKC form, the salt as text. */
export function readNodeScrypt(text: string): ReturnType<Reader> {
  const [, salt, hex = ''] = /^(?:s2:)?([A-Za-z0-9]{16,64}):([0-9a-f]{128})$/.exec(text) ?? []
  if (salt === undefined) return undefined
  const recipe = scrypt('16384', '16', '1', salt, Buffer.from(hex, 'hex'))
  return { ...recipe, recipe: { ...recipe.recipe, nfkc: true } }
}
