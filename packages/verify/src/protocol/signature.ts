import { constants, createHmac, timingSafeEqual, verify, type KeyObject } from 'node:crypto'
import { parseObject, type Jws } from './jws.js'
import type { Algorithm } from './keys.js'

type Check = (signed: Buffer, signature: Buffer) => boolean

type Kind = {
  fits: (key: KeyObject) => boolean
  checkWith: (key: KeyObject) => Check
}

/** Returns the payload if the signature is valid and the payload is a JSON object, else undefined. */
export type JwsVerifier = (jws: Jws) => Record<string, unknown> | undefined

const minRsaBits = 2_048 // RFC 7518 §3.3
const minSecretBytes = 32 // RFC 7518 §3.2

// RFC 7518 §3, RFC 8037 §3.1. Node also rejects signatures of another length, but does not document that.
const kinds: Record<Algorithm, Kind> = {
  ES256: {
    fits: (key) => isPublic(key, 'ec') && key.asymmetricKeyDetails?.namedCurve === 'prime256v1',
    checkWith: (key) => {
      const options = { key, dsaEncoding: 'ieee-p1363' } as const
      return (signed, signature) =>
        signature.length === 64 && verify('sha256', signed, options, signature)
    },
  },
  EdDSA: {
    fits: (key) => isPublic(key, 'ed25519'),
    checkWith: (key) => (signed, signature) =>
      signature.length === 64 && verify(null, signed, key, signature),
  },
  RS256: {
    fits: (key) =>
      isPublic(key, 'rsa') && (key.asymmetricKeyDetails?.modulusLength ?? 0) >= minRsaBits,
    checkWith: (key) => {
      const options = { key, padding: constants.RSA_PKCS1_PADDING }
      return (signed, signature) => verify('sha256', signed, options, signature)
    },
  },
  HS256: {
    fits: (key) => key.type === 'secret' && (key.symmetricKeySize ?? 0) >= minSecretBytes,
    checkWith: (key) => (signed, signature) => {
      const mac = createHmac('sha256', key).update(signed).digest()
      return signature.length === mac.length && timingSafeEqual(signature, mac)
    },
  },
}

const isPublic = (key: KeyObject, type: string) =>
  key.type === 'public' && key.asymmetricKeyType === type

/** Whether a key has the type and size that the algorithm requires. */
export const fitsAlgorithm = (key: KeyObject, algorithm: Algorithm): boolean =>
  kinds[algorithm].fits(key)

/**
 * Creates a verifier for one key and one algorithm (RFC 8725 §3.1). The header of a token does not select the
 * algorithm, so a public key is never used as an HMAC secret.
 * @throws TypeError if the key does not fit the algorithm
 */
export function createJwsVerifier(key: KeyObject, algorithm: Algorithm): JwsVerifier {
  if (!fitsAlgorithm(key, algorithm)) throw new TypeError(`The key does not fit ${algorithm}`)
  const check = kinds[algorithm].checkWith(key)
  return ({ signed, signature, payload }) =>
    check(signed, signature) ? parseObject(payload) : undefined
}
