import { createHash, createHmac, hkdfSync, randomBytes, randomInt } from 'node:crypto'

/** What is sent to a user; only hashes of it are stored. */
export type CodePair = { link: string; code: string }

export type CodeHashes = { link_hash: Buffer; code_hash: Buffer }

const digits = 8

/** Makes and hashes the two secrets of a one-time code. `secret` is KEYS_SECRET. */
export function createCodeSecrets(secret: string) {
  const pepper = Buffer.from(hkdfSync('sha256', secret, '', 'gatehouse one-time codes', 32))

  /** 256 bits need no more than a plain hash (ASVS 6.5.2). */
  const hashLink = (link: string) => createHash('sha256').update(link).digest()

  /** 26 bits could all be tried against a stolen table, but for the pepper, which is not in it. */
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
