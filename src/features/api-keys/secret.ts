import { randomInt } from 'node:crypto'
import { crc32 } from 'node:zlib'

const prefix = 'gatehouse_'
const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const form = /^gatehouse_[0-9A-Za-z]{38}$/

/** A new API key: the prefix, 32 random digits to the base 62, and 6 digits of a checksum. */
export function newApiKey(): string {
  const random = Array.from({ length: 32 }, () => digits[randomInt(62)]).join('')
  return withChecksum(prefix + random)
}

/** Whether a token claims to be an API key. No JWT begins so, because the part before its first dot is JSON. */
export const isApiKey = (token: string): boolean => token.startsWith(prefix)

/**
 * Whether a text has the form of an API key, with the right checksum. The checksum is no secret: it lets secret
 * scanners tell keys from other text, and a typing error needs no query.
 */
export const isWellFormed = (key: string): boolean =>
  form.test(key) && withChecksum(key.slice(0, -6)) === key

/** Adds the CRC-32 of the text, as 6 digits to the base 62. */
function withChecksum(text: string): string {
  let rest = crc32(text)
  let checksum = ''
  for (let at = 0; at < 6; at += 1) {
    checksum = (digits[rest % 62] ?? '') + checksum
    rest = Math.floor(rest / 62)
  }
  return text + checksum
}
