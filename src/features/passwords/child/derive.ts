import { pbkdf2, scrypt } from 'node:crypto'
import { promisify } from 'node:util'
import { deriveArgon2 } from '../argon2.js'
import type { Recipe } from '../foreign/recipe.js'
import { createThreads } from './threads.js'

/** What takes long to derive from a password. The service itself makes the other digests. */
export type SlowRecipe = Exclude<Recipe, { kind: 'digest' | 'firebase' }>

const derivePbkdf2 = promisify(pbkdf2)
const deriveScrypt = promisify<string, Buffer, number, object, Buffer>(scrypt)
const threads = createThreads()

/** Makes the digest that another system would store. */
export async function derive(recipe: SlowRecipe, password: string): Promise<Buffer> {
  switch (recipe.kind) {
    case 'pbkdf2': {
      const { salt, iterations, length, algorithm } = recipe
      return derivePbkdf2(password, salt, iterations, length, algorithm)
    }
    case 'scrypt': {
      const { ln, r, p, salt, length, nfkc } = recipe
      const N = 2 ** ln
      const maxmem = 132 * N * r + 256 * r * p + 65_536
      const text = nfkc ? password.normalize('NFKC') : password
      return deriveScrypt(text, salt, length, { N, r, p, maxmem })
    }
    case 'bcrypt':
    case 'crypt':
      return threads.derive({ recipe, password })
    case 'argon2':
      return deriveArgon2(recipe, password)
  }
}
