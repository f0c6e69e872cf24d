import { hkdfSync } from 'node:crypto'
import { secretKey, type KeyPair } from './key-pair.js'

/**
 * Derives the HS256 key of the refresh tokens that belong to a signing key. It derives from KEYS_SECRET,
 * so neither the JWK set nor a shared JWT_SECRET verifies them. It also derives from the signing key's
 * `kid`, so the refresh tokens end with that key. Its own `kid` is in no JWK set.
 */
export function refreshKeyOf(keysSecret: string, signingKid: string): KeyPair {
  return derive(keysSecret, `gatehouse refresh tokens ${signingKid}`)
}

/** Derives the HS256 key of the tokens in the cookies of apps' hosts, in the same way and for the same reasons. */
export function forwardAuthKeyOf(keysSecret: string, signingKid: string): KeyPair {
  return derive(keysSecret, `gatehouse forward-auth tokens ${signingKid}`)
}

function derive(keysSecret: string, purpose: string): KeyPair {
  const bytes = hkdfSync('sha256', keysSecret, '', purpose, 32)
  return secretKey(Buffer.from(bytes).toString('base64url'))
}
