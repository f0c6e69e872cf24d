import {
  refreshAudienceOf,
  revocationsAudienceOf,
  verifyOptions,
  type AccessClaims,
  type Algorithm,
  type RefreshClaims,
  type TokenType,
} from '@gatehouse/verify/protocol'
import { createSigner, createVerifier } from 'fast-jwt'
import type { JsonWebKey } from 'node:crypto'
import { publicJwk, verificationKey, type KeyPair } from './key-pair.js'
import { refreshKeyOf } from './refresh-key.js'

/** What verifies tokens of one type: the key that their header names by `kid`, and the `aud` they have. */
export type Verification = {
  kid: string
  algorithm: Algorithm
  audience: string
  /** SPKI PEM, or the secret for HS256. */
  verificationKey: string
  /** The payload. @throws an error of the library */
  verify: (token: string) => unknown
}

/** A signing key ready for use: what it costs to read a PEM is paid once. */
export type Key = {
  kid: string
  algorithm: Algorithm
  /** Its public part for the JWK set, derived from the private one; undefined for HS256. */
  jwk: JsonWebKey | undefined
  sign: Record<TokenType, (claims: Partial<AccessClaims | RefreshClaims>) => string>
  verification: Record<TokenType, Verification>
  /**
   * Refresh tokens of releases without migration 0014: signed by this key, for the audience of access
   * tokens. It can go, with `key_ring.refresh_keys_since`, once no installation upgrades from such a release.
   */
  oldRefresh: Verification
  /** The audience of the list of revoked tokens (revocations/): services that verify access tokens. */
  signRevocations: (claims: object) => string
}

export type KeyOptions = {
  issuer: string
  audience: string
  /** What the keys of refresh tokens derive from. */
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
  const verification = (by: KeyPair, typ: TokenType, aud: string): Verification => {
    const pem = verificationKey(by)
    const options = verifyOptions(typ, [by.algorithm], { issuer, audience: aud })
    const verify = createVerifier({ key: pem, ...options })
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
      'at+jwt': verification(key, 'at+jwt', audience),
      'rt+jwt': verification(refreshKey, 'rt+jwt', refreshAudience),
    },
    oldRefresh: verification(key, 'rt+jwt', audience),
    signRevocations: signer(key, 'revocations+jwt', revocationsAudienceOf(issuer)),
  }
}
