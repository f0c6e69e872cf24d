import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** 256 random bits: nobody guesses them, so a plain hash keeps them (ASVS 6.5.2, 11.4.2). */
export const newSecret = () => randomBytes(32).toString('base64url')

export const hashOf = (secret: string): Buffer => createHash('sha256').update(secret).digest()

// Of no secret: to compare with takes as long as any other.
const ofNobody = Buffer.alloc(32)

/** Whether a secret has that hash; where there is none it has not, and that takes as long. */
export function isSecret(secret: string, hash: Buffer | undefined): boolean {
  return timingSafeEqual(hashOf(secret), hash ?? ofNobody) && hash !== undefined
}
