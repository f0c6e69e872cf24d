import { toBytes, type DigestAlgorithm, type Recipe } from './recipe.js'

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
  /** The ids of stored signer keys, by the text of the key in a hash `$fbscrypt$`. */
  signerKeys?: ReadonlyMap<string, string>
}

export type Read = { recipe: Recipe; digest: Buffer | undefined }
export type Reader = (text: string, hints: HashHints) => Read | { fault: string } | undefined

export const digestSize: Record<DigestAlgorithm, number> = {
  md5: 16,
  sha1: 20,
  sha256: 32,
  sha512: 64,
}

export function pbkdf2(
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
export function scrypt(
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
export const fromBase64 = (text: string) => toBytes(text.replaceAll('-', '+').replaceAll('_', '/'))

/** A digest of this size in hexadecimal or base64. */
export function toDigest(text: string, size: number): Buffer | undefined {
  const isHex = text.length === 2 * size && /^[0-9a-f]+$/i.test(text)
  const bytes = isHex ? Buffer.from(text, 'hex') : fromBase64(text)
  return bytes?.length === size ? bytes : undefined
}
