import { createHmac, hkdfSync, randomInt } from 'node:crypto'

// Crockford's base 32: no letter can be taken for a digit.
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'
const groups = 4
const groupLength = 4
const count = 10

/** Makes and hashes recovery codes. `secret` is KEYS_SECRET. */
export function createRecoveryCodes(secret: string) {
  const pepper = Buffer.from(hkdfSync('sha256', secret, '', 'gatehouse recovery codes', 32))

  return {
    /** Ten codes of 80 bits. */
    make: (): string[] => Array.from({ length: count }, makeOne),

    /** The pepper, which is not in the database, keeps a thief of the table from trying codes (ASVS 6.5.2). */
    hash: (userId: string, code: string): Buffer =>
      createHmac('sha256', pepper)
        .update(`${userId}\n${normalize(code)}`)
        .digest(),
  }
}

export type RecoveryCodes = ReturnType<typeof createRecoveryCodes>

const makeOne = (): string => Array.from({ length: groups }, makeGroup).join('-')

const makeGroup = (): string =>
  Array.from({ length: groupLength }, () => alphabet.charAt(randomInt(alphabet.length))).join('')

/** People type codes in capitals, with spaces, or with letters that look like digits. */
const normalize = (code: string): string =>
  code.toLowerCase().replace(/[\s-]/g, '').replaceAll('o', '0').replace(/[il]/g, '1')
