import { isUtf8 } from 'node:buffer'
import type { TokenType } from './claims.js'
import type { Algorithm } from './keys.js'

// A token of ours has less than 3 KB, but for dozens of roles; nothing longer is decoded.
const maxTokenLength = 8_192
const compact = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){2}$/

/**
 * Whether a text is one JWS in compact form. Each part is spelt in the only way that base64url has
 * (RFC 4648 §3.5, RFC 7515 §7.1), and header and payload are UTF-8 (RFC 8725 §3.7): what is not
 * would decode like another text.
 */
export function isCompact(token: string, maxLength = maxTokenLength): boolean {
  if (token.length > maxLength || !compact.test(token)) return false
  return token.split('.').every((part, at) => {
    const bytes = Buffer.from(part, 'base64url')
    return bytes.toString('base64url') === part && (at === 2 || isUtf8(bytes))
  })
}

/** Whatever holds keys by their names, as far as they verify tokens of that type. */
export type Keys<Type, Key> = { find: (kid: string, type: Type) => Key | undefined }

/**
 * The key that a protected header names, for tokens of that type. We write `alg`, `typ` and `kid` and nothing else, so a
 * header with more (`jwk`, `jku`, `x5c`, `crit`, `b64`, …) is not ours.
 */
export function keyForHeader<Key extends { algorithm: Algorithm }, Type = TokenType>(
  keys: Keys<Type, Key>,
  header: Record<string, unknown>,
  type: Type,
): Key | undefined {
  const { alg, kid } = header
  if (typeof kid !== 'string' || Object.keys(header).length !== 3 || !('typ' in header))
    return undefined
  const key = keys.find(kid, type)
  return key?.algorithm === alg ? key : undefined
}
