import { randomBytes } from 'node:crypto'
import argon2 from 'argon2'
import type { Lanes } from '../../concurrency/lanes.js'

/** argon2id parameters: memory in KiB. */
export type HashParameters = { memory: number; iterations: number; parallelism: number }

export type Verification = { valid: boolean; weak: boolean }

// A stored hash names its own cost: what an import brought in must not cost more than this.
const ceiling: HashParameters = { memory: 1_048_576, iterations: 10, parallelism: 16 }

/**
 * Hashes and verifies passwords with argon2id (ASVS 11.4.2), every one of them in a lane.
 * Each method throws AppError `overloaded` when no lane comes free in time.
 */
export function createPasswordHasher(lanes: Lanes, parameters: HashParameters) {
  const options = {
    type: argon2.argon2id,
    memoryCost: parameters.memory,
    timeCost: parameters.iterations,
    parallelism: parameters.parallelism,
  }
  const nobody = impossibleHash(parameters)

  async function matches(hash: string, password: string): Promise<boolean> {
    try {
      return await argon2.verify(hash, password.normalize('NFC'))
    } catch {
      return false // argon2 throws on a malformed hash
    }
  }

  return {
    /** The PHC string of a new password. */
    hash: (password: string): Promise<string> =>
      lanes.run(() => argon2.hash(password.normalize('NFC'), options)),

    /**
     * Without a hash (unknown user) the same work is done in vain, so that the time tells nothing.
     * `weak` says that a valid password deserves a new hash.
     */
    async verify(hash: string | null | undefined, password: string): Promise<Verification> {
      const cost = hash ? readCost(hash) : undefined
      if (!hash || !cost || exceeds(cost, ceiling)) {
        await lanes.run(() => matches(nobody, password))
        return { valid: false, weak: false }
      }
      const valid = await lanes.run(() => matches(hash, password))
      return { valid, weak: valid && exceeds(parameters, cost) }
    },
  }
}

export type PasswordHasher = ReturnType<typeof createPasswordHasher>

/** A hash of nothing, which costs as much to verify as a real one. */
function impossibleHash({ memory, iterations, parallelism }: HashParameters): string {
  const base64 = (bytes: number) => randomBytes(bytes).toString('base64').replaceAll('=', '')
  return `$argon2id$v=19$m=${memory},t=${iterations},p=${parallelism}$${base64(16)}$${base64(32)}`
}

function readCost(hash: string): HashParameters | undefined {
  const [, memory, iterations, parallelism] =
    /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+$/.exec(hash) ?? []
  if (!memory || !iterations || !parallelism) return undefined
  return {
    memory: Number(memory),
    iterations: Number(iterations),
    parallelism: Number(parallelism),
  }
}

const exceeds = (a: HashParameters, b: HashParameters) =>
  a.memory > b.memory || a.iterations > b.iterations || a.parallelism > b.parallelism
