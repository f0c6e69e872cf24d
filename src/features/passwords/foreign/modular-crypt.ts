// The hashes that begin with `$`: bcrypt, crypt(3), passlib and argon2.
import { pbkdf2, scrypt, type Reader } from './reading.js'
import { toBytes, toNumber, type CryptId, type DigestAlgorithm, type Recipe } from './recipe.js'

/** `$2a$`, `$2b$` and `$2y$` are the same for us. `$2x$` marks the hashes of a faulty implementation. */
export function readBcrypt(text: string) {
  const [, cost, salt = '', digest = ''] =
    /^\$2[aby]?\$(\d\d)\$([./A-Za-z0-9]{22})([./A-Za-z0-9]{31})$/.exec(text) ?? []
  if (cost === undefined) return undefined
  const recipe = { kind: 'bcrypt' as const, cost: Number(cost), salt, before: 'none' as const }
  return { recipe, digest: Buffer.from(digest) }
}

/** `$1$`, `$apr1$`, `$5$` and `$6$` of crypt(3). */
export function readCrypt(text: string): ReturnType<Reader> {
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
export function readPasslib(text: string): ReturnType<Reader> {
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
export function readArgon2(text: string): ReturnType<Reader> {
  const [, type, version = '16', list = '', salt = '', digest = ''] =
    /^\$(argon2id|argon2i|argon2d)\$(?:v=(16|19)\$)?([mtp=,0-9]+)\$([+/A-Za-z0-9]+)\$([+/A-Za-z0-9]+)$/.exec(
      text,
    ) ?? []
  if (type === undefined) return undefined
  const pairs = list.split(',').map((pair) => pair.split('='))
  const value = (name: string) => toNumber(pairs.find(([key]) => key === name)?.[1])
  const costs = { m: value('m'), t: value('t'), p: value('p') }
  if (pairs.length !== 3) return { fault: 'has other parameters than m, t and p' }
  const bytes = toBytes(digest)
  const length = bytes?.length ?? 0
  const recipe = { kind: 'argon2' as const, type: type as 'argon2id', version: Number(version) }
  return { recipe: { ...recipe, ...costs, salt, length }, digest: bytes }
}
