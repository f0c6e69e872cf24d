import {
  createHash,
  createHmac,
  createCipheriv,
  pbkdf2,
  scrypt,
  timingSafeEqual,
} from 'node:crypto'
import { promisify } from 'node:util'
import { partsOf, toBase64, type Recipe } from './recipe.js'
import type { StoredHash } from './stored.js'
import type { HashWorkers } from './workers.js'

type Tools = {
  workers: HashWorkers
  /** Reads a key that an import has stored; undefined if it is gone. */
  findKey: (id: string) => Promise<Buffer | undefined>
  /** Verifies an argon2 hash. False if it is malformed. */
  verifyArgon2: (hash: string, text: string) => Promise<boolean>
}

type Of<Kind extends Recipe['kind']> = Extract<Recipe, { kind: Kind }>

const derivePbkdf2 = promisify(pbkdf2)
const deriveScrypt = promisify<string, Buffer, number, object, Buffer>(scrypt)

/** Verifies passwords with the hashes of other systems. The caller has taken a lane. */
export function createForeignVerifier({ workers, findKey, verifyArgon2 }: Tools) {
  /** @returns undefined if the key is gone */
  async function derive(recipe: Recipe, password: string): Promise<Buffer | undefined> {
    switch (recipe.kind) {
      case 'digest': {
        const key = recipe.key === undefined ? Buffer.alloc(0) : await findKey(recipe.key)
        return key && digestOf(recipe, password, key)
      }
      case 'pbkdf2': {
        const { salt, iterations, length, algorithm } = recipe
        return derivePbkdf2(password, salt, iterations, length, algorithm)
      }
      case 'scrypt':
        return scryptOf(recipe.nfkc ? password.normalize('NFKC') : password, recipe)
      case 'firebase': {
        const key = await findKey(recipe.key)
        return key && encrypt(key, await scryptOf(password, { ...recipe, p: 1, length: 64 }))
      }
      case 'bcrypt':
      case 'crypt':
        return Buffer.from(await workers.derive(recipe, password))
      case 'argon2':
        return undefined
    }
  }

  return {
    /** Whether the password has this hash, whose costs are within the bounds. */
    async verify(stored: StoredHash, text: string, password: string): Promise<boolean> {
      const { recipe, digest, wrapping } = stored
      if (recipe.kind === 'argon2') return verifyArgon2(text, password)
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

function scryptOf(
  password: string,
  { ln, r, p, salt, length }: Omit<Of<'scrypt'>, 'kind' | 'nfkc'>,
): Promise<Buffer> {
  const N = 2 ** ln
  return deriveScrypt(password, salt, length, {
    N,
    r,
    p,
    maxmem: 132 * N * r + 256 * r * p + 65_536,
  })
}

/** Firebase encrypts the project's signer key with the derived key: the ciphertext is the hash. */
function encrypt(key: Buffer, derived: Buffer): Buffer {
  const cipher = createCipheriv('aes-256-ctr', derived.subarray(0, 32), Buffer.alloc(16))
  return Buffer.concat([cipher.update(key), cipher.final()])
}
