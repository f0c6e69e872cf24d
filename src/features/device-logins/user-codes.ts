import { createHmac, hkdfSync, randomInt } from 'node:crypto'

/** Consonants alone, so that no code spells a word (RFC 8628 §6.1). */
const alphabet = 'BCDFGHJKLMNPQRSTVWXZ'
const length = 8
const isUserCode = new RegExp(`^[${alphabet}]{${String(length)}}$`)

/** Makes, reads and hashes the codes that users type. `secret` is KEYS_SECRET. */
export function createUserCodes(secret: string) {
  const pepper = Buffer.from(hkdfSync('sha256', secret, '', 'gatehouse user codes', 32))

  return {
    make: (): string =>
      Array.from({ length }, () => alphabet.charAt(randomInt(alphabet.length))).join(''),

    /** A code has 34 bits, so a thief of the table could try all. The pepper, which is not in it, prevents that. */
    hash: (code: string): Buffer => createHmac('sha256', pepper).update(code).digest(),
  }
}

export type UserCodes = ReturnType<typeof createUserCodes>

/** Reads a typed code: its case, spaces and punctuation do not count. Undefined if it cannot be one. */
export function readUserCode(typed: string): string | undefined {
  const code = typed
    .normalize('NFKC')
    .replace(/[\s\p{P}\p{Cf}]/gu, '')
    .toUpperCase()
  return isUserCode.test(code) ? code : undefined
}

/** A code as people read it. */
export const showUserCode = (code: string): string => `${code.slice(0, 4)}-${code.slice(4)}`
