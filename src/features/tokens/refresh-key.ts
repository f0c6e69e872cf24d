import { hkdfSync } from 'node:crypto'
import { secretKey, type KeyPair } from './key-pair.js'

/**
 * The HS256 key of the refresh tokens that are issued beside a signing key's access tokens. It derives
 * from KEYS_SECRET, so that neither the JWK set nor a shared JWT_SECRET verifies them, and from the
 * signing key's `kid`, so that they die with that key. Its own `kid` is in no JWK set.
 */
export function refreshKeyOf(keysSecret: string, signingKid: string): KeyPair {
  const bytes = hkdfSync('sha256', keysSecret, '', `gatehouse refresh tokens ${signingKid}`, 32)
  return secretKey(Buffer.from(bytes).toString('base64url'))
}
