import {
  createJwsVerifier,
  refreshAudienceOf,
  revocationsAudienceOf,
  type AccessClaims,
  type Algorithm,
  type ForwardAuthClaims,
  type JwsVerifier,
  type RefreshClaims,
  type TokenType,
} from '@gatehouse/verify/protocol'
import { createSigner } from 'fast-jwt'
import { createPublicKey, createSecretKey, type JsonWebKey } from 'node:crypto'
import { publicJwk, verificationKey, type KeyPair } from './key-pair.js'
import { forwardAuthKeyOf, refreshKeyOf } from './refresh-key.js'

/** Verifies tokens of one type. Their header must name this `kid`, and their `aud` must be `audience`. */
export type Verification = {
  kid: string
  algorithm: Algorithm
  /** Undefined for forward-auth, where it is the host of the request. */
  audience: string | undefined
  /** SPKI PEM, or the secret for HS256. */
  verificationKey: string
  verify: JwsVerifier
}

type SignedClaims = Partial<AccessClaims | RefreshClaims | ForwardAuthClaims>

/** A signing key ready for use. Its PEM is parsed once. */
export type Key = {
  kid: string
  algorithm: Algorithm
  /** The public key for the JWK set; undefined for HS256. */
  jwk: JsonWebKey | undefined
  sign: Record<TokenType, (claims: SignedClaims) => string>
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
  const forwardAuthKey = forwardAuthKeyOf(keysSecret, kid)
  const refreshAudience = refreshAudienceOf(issuer)
  const jwk = publicJwk(key)

  const signer = (by: KeyPair, typ: string, aud?: string) =>
    createSigner({
      key: by.private_key,
      algorithm: by.algorithm,
      kid: by.kid,
      header: { alg: by.algorithm, typ },
      iss: issuer,
      ...(aud !== undefined && { aud }),
    })
  const verification = (by: KeyPair, aud?: string): Verification => {
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
      'fa+jwt': signer(forwardAuthKey, 'fa+jwt'),
    },
    verification: {
      'at+jwt': verification(key, audience),
      'rt+jwt': verification(refreshKey, refreshAudience),
      'fa+jwt': verification(forwardAuthKey),
    },
    oldRefresh: verification(key, audience),
    signRevocations: signer(key, 'revocations+jwt', revocationsAudienceOf(issuer)),
  }
}
