import { digestSize } from './reading.js'
import type { DigestAlgorithm, Recipe } from './recipe.js'

const mebibyte = 1_048_576

/** Costs below which a stolen hash can be cracked with one graphics card. */
const enough = {
  /** Rounds of a fast digest. */
  rounds: 100_000,
  bcryptCost: 10,
  /** The memory of scrypt, in bytes. */
  scryptMemory: 8 * mebibyte,
  /** The memory of argon2 in KiB, times its passes over it. */
  argon2Work: 16_384,
}

/** A hash that must not be kept as it is: it is hashed again with argon2id. */
export function isWeak(recipe: Recipe): boolean {
  switch (recipe.kind) {
    case 'digest':
      return true
    case 'pbkdf2':
      return recipe.iterations < enough.rounds
    case 'crypt':
      return recipe.rounds < enough.rounds
    case 'bcrypt':
      return recipe.cost < enough.bcryptCost
    case 'scrypt':
    case 'firebase':
      return 128 * 2 ** recipe.ln * recipe.r < enough.scryptMemory
    case 'argon2':
      return recipe.m * recipe.t < enough.argon2Work
  }
}

/**
 * The costs that a stored hash may ask for. Without bounds one imported row could use all memory, or a core for
 * minutes, at each login. Returns what is exceeded; undefined if nothing is.
 */
export function faultOfCost(recipe: Recipe): string | undefined {
  const check = (isWithin: boolean, fault: string) => (isWithin ? undefined : fault)
  switch (recipe.kind) {
    case 'digest':
      return undefined
    case 'pbkdf2':
      return check(
        isBetween(recipe.iterations, 1, Math.floor(maxPbkdf2Rounds / blocksOf(recipe))) &&
          isBetween(recipe.length, 16, 64),
        'pbkdf2 may have 2,000,000 rounds, those of each block counted, and 64 bytes at most',
      )
    case 'scrypt':
      return check(
        isScryptBounded(recipe) && isBetween(recipe.length, 16, 128),
        'scrypt may use 128 MiB, p=10 and 128 bytes at most',
      )
    case 'firebase':
      return check(isScryptBounded({ ...recipe, p: 1 }), 'scrypt may use 128 MiB at most')
    case 'bcrypt':
      return check(isBetween(recipe.cost, 4, 15), 'bcrypt may have the cost 15 at most')
    case 'crypt':
      return check(
        isBetween(recipe.rounds, 1_000, 1_000_000),
        'crypt may have 1,000,000 rounds at most',
      )
    case 'argon2':
      return check(
        isBetween(recipe.m, 8 * recipe.p, 1_048_576) &&
          isBetween(recipe.t, 1, 10) &&
          isBetween(recipe.p, 1, 16) &&
          isBetween(recipe.length, 16, 256) &&
          isBetween(recipe.salt.length, 11, 342),
        'argon2 may have m=1048576, t=10 and p=16 at most, with m=8 for each p and a salt of 8 bytes',
      )
  }
}

/** A hash must verify within the 8 seconds of the child process on a busy machine. SHA-512 needs 2.2 alone. */
const maxPbkdf2Rounds = 2_000_000

/** PBKDF2 makes each block of the size of a digest with all iterations (RFC 8018 §5.2). */
const blocksOf = ({ algorithm, length }: { algorithm: DigestAlgorithm; length: number }) =>
  Math.max(1, Math.ceil(length / digestSize[algorithm]))

const isBetween = (value: number, least: number, most: number) => value >= least && value <= most

const isScryptBounded = ({ ln, r, p }: { ln: number; r: number; p: number }) =>
  isBetween(ln, 1, 20) &&
  isBetween(r, 1, 32) &&
  isBetween(p, 1, 10) &&
  128 * 2 ** ln * r <= 128 * mebibyte
