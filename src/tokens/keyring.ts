import { createSigner, createVerifier } from 'fast-jwt'
import type { JsonWebKey } from 'node:crypto'
import type { RefreshClaims, AccessClaims, TokenType } from './claims.js'
import {
  generateKey,
  secretKey,
  verificationKey,
  type Algorithm,
  type KeyPair,
} from './key-pair.js'
import type { KeyRepository } from './key-repository.js'

type Options = {
  algorithm: Algorithm
  /** The HS256 secret from the configuration, if there is one. */
  secret?: string | undefined
  issuer: string
  audience: string
  keys: KeyRepository
}

/** A key ready for use: what it costs to read a PEM is paid once. */
export type Key = {
  kid: string
  algorithm: Algorithm
  verificationKey: string
  jwk: JsonWebKey | undefined
  sign: Record<TokenType, (claims: Partial<AccessClaims | RefreshClaims>) => string>
  verify: Record<TokenType, (token: string) => unknown>
}

/** The keys that sign and verify tokens, by `kid`. A header can only name one of them. */
export async function createKeyring({ algorithm, secret, issuer, audience, keys }: Options) {
  const stored =
    algorithm === 'HS256' && secret
      ? [secretKey(secret)]
      : await keys.loadOrCreate(
          (found) => found.some((key) => key.algorithm === algorithm),
          () => generateKey(algorithm),
        )
  // A secret and public keys are never in use together (RFC 8725 §3.1).
  const usable = stored.filter((key) => (key.algorithm === 'HS256') === (algorithm === 'HS256'))
  const ring = new Map(usable.map((key) => [key.kid, prepareKey(key)]))
  const current = [...ring.values()].filter((key) => key.algorithm === algorithm).at(-1)
  if (!current) throw new Error(`no ${algorithm} key`)

  function prepareKey(key: KeyPair): Key {
    const { kid, public_jwk } = key
    const publicKey = verificationKey(key)
    const signer = (typ: TokenType) =>
      createSigner({
        key: key.private_key,
        algorithm: key.algorithm,
        kid,
        header: { alg: key.algorithm, typ },
        iss: issuer,
        aud: audience,
      })
    const verifier = (typ: TokenType) =>
      createVerifier({
        key: publicKey,
        ...verifyOptions(typ, [key.algorithm], { issuer, audience }),
      })
    return {
      kid,
      algorithm: key.algorithm,
      verificationKey: publicKey,
      jwk: public_jwk ? { ...public_jwk, kid, alg: key.algorithm, use: 'sig' } : undefined,
      sign: { 'at+jwt': signer('at+jwt'), 'rt+jwt': signer('rt+jwt') },
      verify: { 'at+jwt': verifier('at+jwt'), 'rt+jwt': verifier('rt+jwt') },
    }
  }

  return {
    /** Signs new tokens. */
    current,
    find: (kid: string): Key | undefined => ring.get(kid),
    algorithms: [...new Set([...ring.values()].map((key) => key.algorithm))],
    /** The JWK set (RFC 7517 §5): public members only. */
    jwks: () => ({ keys: [...ring.values()].flatMap((key) => key.jwk ?? []) }),
  }
}

export type Keyring = Awaited<ReturnType<typeof createKeyring>>

/** What the library checks of every token; areClaims() checks the rest. */
export function verifyOptions(
  typ: TokenType,
  algorithms: Algorithm[],
  { issuer, audience }: { issuer: string; audience: string },
) {
  return {
    algorithms,
    allowedIss: issuer,
    allowedAud: audience,
    checkTyp: typ,
    requiredClaims: ['iss', 'aud', 'sub', 'jti', 'sid', 'iat', 'exp'],
    errorCacheTTL: -1,
  }
}
