import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** 256 random bits cannot be guessed, so storing their plain SHA-256 is enough (ASVS 6.5.2, 11.4.2). */
export const newSecret = () => randomBytes(32).toString('base64url')

/** SHA-256. Only for random secrets: passwords need argon2id. */
export const hashSecret = (secret: string): Buffer => createHash('sha256').update(secret).digest()

// Compared with when the client is unknown, so that the answer takes as long.
const dummyHash = Buffer.alloc(32)

/** Constant-time check of a secret. Without a stored hash it returns false after the same time. */
export function verifySecret(secret: string, hash: Buffer | undefined): boolean {
  return timingSafeEqual(hashSecret(secret), hash ?? dummyHash) && hash !== undefined
}
