import { isUtf8 } from 'node:buffer'
import type { TokenType } from './claims.js'
import type { Key, Keyring } from './keyring.js'

// A token of ours has less than 3 KB, but for dozens of roles; nothing longer is decoded.
const maxLength = 8_192
const compact = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){2}$/

/**
 * Whether a text is one JWS in compact form. Each part is spelt in the only way that base64url has
 * (RFC 4648 §3.5, RFC 7515 §7.1), and header and payload are UTF-8 (RFC 8725 §3.7): what is not
 * would decode like another text.
 */
export function isCompact(token: string): boolean {
  if (token.length > maxLength || !compact.test(token)) return false
  return token.split('.').every((part, at) => {
    const bytes = Buffer.from(part, 'base64url')
    return bytes.toString('base64url') === part && (at === 2 || isUtf8(bytes))
  })
}

/**
 * The key that a protected header names, for tokens of that type. We write `alg`, `typ` and `kid` and nothing else, so a
 * header with more (`jwk`, `jku`, `x5c`, `crit`, `b64`, …) is not ours.
 */
export function keyForHeader(
  keyring: Keyring,
  header: Record<string, unknown>,
  type: TokenType,
): Key | undefined {
  const { alg, kid } = header
  if (typeof kid !== 'string' || Object.keys(header).length !== 3 || !('typ' in header))
    return undefined
  const key = keyring.find(kid, type)
  return key?.algorithm === alg ? key : undefined
}
