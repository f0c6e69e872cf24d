import {
  createJwsVerifier,
  refreshAudienceOf,
  revocationsAudienceOf,
  type AccessClaims,
  type Algorithm,
  type JwsVerifier,
  type RefreshClaims,
  type TokenType,
} from '@gatehouse/verify/protocol'
import { createSigner } from 'fast-jwt'
import { createPublicKey, createSecretKey, type JsonWebKey } from 'node:crypto'
import { publicJwk, verificationKey, type KeyPair } from './key-pair.js'
import { refreshKeyOf } from './refresh-key.js'

/** Verifies tokens of one type. Their header must name this `kid`, and their `aud` must be `audience`. */
export type Verification = {
  kid: string
  algorithm: Algorithm
  audience: string
  /** SPKI PEM, or the secret for HS256. */
  verificationKey: string
  verify: JwsVerifier
}

/** A signing key ready for use. Its PEM is parsed once. */
export type Key = {
  kid: string
  algorithm: Algorithm
  /** The public key for the JWK set; undefined for HS256. */
  jwk: JsonWebKey | undefined
  sign: Record<TokenType, (claims: Partial<AccessClaims | RefreshClaims>) => string>
  verification: Record<TokenType, Verification>
  /**
   * Verifies refresh tokens of releases before migration 0014, which this key signed for the audience of
   * access tokens. Remove it, and `key_ring.refresh_keys_since`, when upgrades from such a release end.
   */
  oldRefresh: Verification
  /** Signs the revocation list (features/revocations), for its own audience. */
  signRevocations: (claims: object) => string
}

export type KeyOptions = {
  issuer: string
  audience: string
  /** KEYS_SECRET, from which the keys of refresh tokens derive. */
  keysSecret: string
}

export function prepareKey(key: KeyPair, { issuer, audience, keysSecret }: KeyOptions): Key {
  const { kid, algorithm } = key
  const refreshKey = refreshKeyOf(keysSecret, kid)
  const refreshAudience = refreshAudienceOf(issuer)
  const jwk = publicJwk(key)

  const signer = (by: KeyPair, typ: string, aud: string) =>
    createSigner({
      key: by.private_key,
      algorithm: by.algorithm,
      kid: by.kid,
      header: { alg: by.algorithm, typ },
      iss: issuer,
      aud,
    })
  const verification = (by: KeyPair, aud: string): Verification => {
    const pem = verificationKey(by)
    const object =
      by.algorithm === 'HS256' ? createSecretKey(Buffer.from(pem)) : createPublicKey(pem)
    const verify = createJwsVerifier(object, by.algorithm)
    return { kid: by.kid, algorithm: by.algorithm, audience: aud, verificationKey: pem, verify }
  }

  return {
    kid,
    algorithm,
    jwk: jwk && { ...jwk, kid, alg: algorithm, use: 'sig' },
    sign: {
      'at+jwt': signer(key, 'at+jwt', audience),
      'rt+jwt': signer(refreshKey, 'rt+jwt', refreshAudience),
    },
    verification: {
      'at+jwt': verification(key, audience),
      'rt+jwt': verification(refreshKey, refreshAudience),
    },
    oldRefresh: verification(key, audience),
    signRevocations: signer(key, 'revocations+jwt', revocationsAudienceOf(issuer)),
  }
}
