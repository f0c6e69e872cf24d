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

/** What is stored of a key. `private_key` is PKCS #8 PEM, or the secret itself for HS256. */
export type KeyPair = { kid: string; algorithm: Algorithm; private_key: string }

const generate = promisify(generateKeyPair)

/** A new key of good size (ASVS 11.2.3): P-256, Ed25519, RSA 3072, or 512 random bits. */
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

/** An HS256 key. Its `kid` must not be a plain hash of the secret, since every token shows it. */
export function secretKey(secret: string): KeyPair {
  const kid = createHmac('sha256', secret).update('gatehouse kid').digest('base64url')
  return { kid, algorithm: 'HS256', private_key: secret }
}

/** The key in the form that verifies: SPKI PEM, or the secret for HS256. */
export function verificationKey({ algorithm, private_key }: KeyPair): string {
  if (algorithm === 'HS256') return private_key
  return createPublicKey(createPrivateKey(private_key)).export({
    type: 'spki',
    format: 'pem',
  }) as string
}

/** The public part (RFC 7517), made from the private one; undefined for HS256. */
export function publicJwk({ algorithm, private_key }: KeyPair): JsonWebKey | undefined {
  if (algorithm === 'HS256') return undefined
  return createPublicKey(createPrivateKey(private_key)).export({ format: 'jwk' })
}
