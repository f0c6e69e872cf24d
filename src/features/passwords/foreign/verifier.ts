import { createHash, createHmac, createCipheriv, timingSafeEqual } from 'node:crypto'
import type { Hashing } from '../child-process.js'
import { partsOf, toBase64, type Recipe } from './recipe.js'
import type { StoredHash } from './stored.js'

type Tools = {
  hashing: Pick<Hashing, 'derive'>
  /** Reads a key that an import has stored; undefined if it is gone. */
  findKey: (id: string) => Promise<Buffer | undefined>
  /** Verifies an argon2 hash. False if it is malformed. */
  verifyArgon2: (hash: string, text: string) => Promise<boolean>
}

type Of<Kind extends Recipe['kind']> = Extract<Recipe, { kind: Kind }>

/** Verifies passwords with the hashes of other systems. The caller has taken a lane. */
export function createForeignVerifier({ hashing, findKey, verifyArgon2 }: Tools) {
  /** Keys stay in the service. @returns undefined if the key is gone */
  async function derive(recipe: Recipe, password: string): Promise<Buffer | undefined> {
    switch (recipe.kind) {
      case 'digest': {
        const key = recipe.key === undefined ? Buffer.alloc(0) : await findKey(recipe.key)
        return key && digestOf(recipe, password, key)
      }
      case 'firebase': {
        const key = await findKey(recipe.key)
        const { ln, r, salt } = recipe
        const inner = { kind: 'scrypt' as const, ln, r, p: 1, salt, length: 64, nfkc: false }
        return key && encrypt(key, await hashing.derive(inner, password))
      }
      default:
        return hashing.derive(recipe, password)
    }
  }

  return {
    /** Whether the password has this hash, whose costs are within the bounds. */
    async verify(stored: StoredHash, text: string, password: string): Promise<boolean> {
      const { recipe, digest, wrapping } = stored
      if (recipe.kind === 'argon2' && digest) return verifyArgon2(text, password)
      const derived = await derive(recipe, password)
      if (!derived) return false
      if (wrapping !== undefined) return verifyArgon2(wrapping, toBase64(derived))
      return derived.length === digest.length && timingSafeEqual(derived, digest)
    },
  }
}

export type ForeignVerifier = ReturnType<typeof createForeignVerifier>

function digestOf({ algorithm, form, salt }: Of<'digest'>, password: string, key: Buffer): Buffer {
  if (form === 'hmac') return createHmac(algorithm, salt).update(password).digest()
  const hash = createHash(algorithm)
  for (const part of partsOf(form) ?? []) {
    hash.update(part === 'password' ? Buffer.from(password) : part === 'key' ? key : salt)
  }
  return hash.digest()
}

/** Firebase encrypts the project's signer key with the derived key: the ciphertext is the hash. */
function encrypt(key: Buffer, derived: Buffer): Buffer {
  const cipher = createCipheriv('aes-256-ctr', derived.subarray(0, 32), Buffer.alloc(16))
  return Buffer.concat([cipher.update(key), cipher.final()])
}
