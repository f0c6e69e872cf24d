import { createHash, type JsonWebKey } from 'node:crypto'

export type Algorithm = 'ES256' | 'EdDSA' | 'RS256' | 'HS256'

// RFC 7638 §3.2: only the required members, in the order of their names.
const requiredMembers: Record<string, (keyof JsonWebKey)[]> = {
  EC: ['crv', 'kty', 'x', 'y'],
  OKP: ['crv', 'kty', 'x'],
  RSA: ['e', 'kty', 'n'],
}

/** The RFC 7638 thumbprint of a key: SHA-256 in base64url. */
export function thumbprint(jwk: JsonWebKey): string {
  const members = requiredMembers[jwk.kty ?? ''] ?? []
  const canonical = JSON.stringify(Object.fromEntries(members.map((name) => [name, jwk[name]])))
  return createHash('sha256').update(canonical).digest('base64url')
}
