import { thumbprint, type Algorithm } from '@gatehouse/verify/protocol'
import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  randomBytes,
  type JsonWebKey,
  type KeyObject,
} from 'node:crypto'
import { promisify } from 'node:util'

/** A signing key as it is stored. `private_key` is PKCS #8 PEM, or for HS256 the secret itself. */
export type KeyPair = { kid: string; algorithm: Algorithm; private_key: string }

const generate = promisify(generateKeyPair)

/** Generates a key of 128-bit strength or more (ASVS 11.2.3): P-256, Ed25519, RSA 3072, or 512 random bits. */
export async function generateKey(algorithm: Algorithm): Promise<KeyPair> {
  if (algorithm === 'HS256') return secretKey(randomBytes(64).toString('base64url'))
  const { privateKey } = await generators[algorithm]()
  return {
    kid: thumbprint(createPublicKey(privateKey).export({ format: 'jwk' })),
    algorithm,
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  }
}

const generators: Record<Exclude<Algorithm, 'HS256'>, () => Promise<{ privateKey: KeyObject }>> = {
  ES256: () => generate('ec', { namedCurve: 'P-256' }),
  EdDSA: () => generate('ed25519'),
  RS256: () => generate('rsa', { modulusLength: 3_072 }),
}

/** Makes an HS256 key of a secret. The `kid` is public, so it must not be a plain hash of the secret. */
export function secretKey(secret: string): KeyPair {
  const kid = createHmac('sha256', secret).update('gatehouse kid').digest('base64url')
  return { kid, algorithm: 'HS256', private_key: secret }
}

/** Returns the key that verifies signatures: SPKI PEM, or for HS256 the secret. */
export function verificationKey({ algorithm, private_key }: KeyPair): string {
  if (algorithm === 'HS256') return private_key
  return createPublicKey(createPrivateKey(private_key)).export({
    type: 'spki',
    format: 'pem',
  }) as string
}

/** Derives the public key as a JWK (RFC 7517); undefined for HS256. */
export function publicJwk({ algorithm, private_key }: KeyPair): JsonWebKey | undefined {
  if (algorithm === 'HS256') return undefined
  return createPublicKey(createPrivateKey(private_key)).export({ format: 'jwk' })
}
