import { createHash, createHmac, hkdfSync, randomBytes, randomInt } from 'node:crypto'

/** The two secrets of a message. Only their hashes are stored. */
export type CodePair = { link: string; code: string }

export type CodeHashes = { link_hash: Buffer; code_hash: Buffer }

const digits = 8

/** Makes and hashes the secrets of one-time codes. `secret` is KEYS_SECRET. */
export function createCodeSecrets(secret: string) {
  const pepper = Buffer.from(hkdfSync('sha256', secret, '', 'gatehouse one-time codes', 32))

  /** A link has 256 random bits, so a plain hash is enough (ASVS 6.5.2). */
  const hashLink = (link: string) => createHash('sha256').update(link).digest()

  /** A code has 26 bits, so a thief of the table could try all. The pepper, which is not in it, prevents that. */
  const hashCode = (code: string, address: string) =>
    createHmac('sha256', pepper).update(`${address}\n${code}`).digest()

  return {
    hashLink,
    hashCode,
    make(address: string): CodePair & CodeHashes {
      const link = randomBytes(32).toString('base64url')
      const code = String(randomInt(10 ** digits)).padStart(digits, '0')
      return { link, code, link_hash: hashLink(link), code_hash: hashCode(code, address) }
    },
  }
}

export type CodeSecrets = ReturnType<typeof createCodeSecrets>
