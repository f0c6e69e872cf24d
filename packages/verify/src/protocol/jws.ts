import { isUtf8 } from 'node:buffer'

/**
 * A JWS in compact serialization (RFC 7515 §7.1) whose signature is not verified yet. Until then, read only the
 * header, to find the key: see keyForHeader() and createJwsVerifier().
 */
export type Jws = {
  header: Record<string, unknown>
  payload: Buffer
  signature: Buffer
  /** The signing input: the encoded header and payload, as received. */
  signed: Buffer
}

// Tokens of the service are shorter than 3 KB, unless a user has dozens of roles.
const maxTokenLength = 8_192
const compact = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){2}$/

/** @returns undefined unless the text is a JWS in compact serialization whose header is a JSON object */
export function parseJws(token: string, maxLength = maxTokenLength): Jws | undefined {
  const parts = decodeParts(token, maxLength)
  const header = parts && parseObject(parts.header)
  if (!parts || !header) return undefined
  return { ...parts, header, signed: Buffer.from(token.slice(0, token.lastIndexOf('.'))) }
}

/** Whether a text is a JWS in compact serialization. It does not check that header and payload are JSON. */
export function isCompact(token: string): boolean {
  return decodeParts(token, maxTokenLength) !== undefined
}

/** @returns undefined unless the bytes are a JSON object; of repeated members, the last one is used */
export function parseObject(bytes: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString())
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isObject ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

/**
 * Checks the length first, before any expensive work. Header and payload must be UTF-8 (RFC 8725 §3.7), because
 * different invalid bytes would decode to the same text.
 */
function decodeParts(token: string, maxLength: number) {
  if (token.length > maxLength || !compact.test(token)) return undefined
  const [first = '', second = '', third = ''] = token.split('.')
  const [header, payload, signature] = [decode(first), decode(second), decode(third)]
  if (!header || !payload || !signature) return undefined
  return isUtf8(header) && isUtf8(payload) ? { header, payload, signature } : undefined
}

/**
 * Accepts only the canonical encoding. Node ignores the unused bits of the last character. RFC 4648 §3.5 allows
 * a decoder to reject them, so each token has exactly one valid encoding.
 */
function decode(part: string): Buffer | undefined {
  const bytes = Buffer.from(part, 'base64url')
  return bytes.toString('base64url') === part ? bytes : undefined
}
