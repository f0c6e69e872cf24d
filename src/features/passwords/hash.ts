import { randomBytes } from 'node:crypto'
import type { Lanes } from '../../concurrency/lanes.js'
import type { HashParameters } from './argon2.js'
import type { Hashing } from './child-process.js'

/** `needsRehash`: the password is valid, but its hash is weaker than the present parameters. */
export type Verification = { valid: boolean; needsRehash: boolean }

// A stored hash contains its own parameters. An imported hash must not cost more than this.
const maxCost: HashParameters = { memory: 1_048_576, iterations: 10, parallelism: 16 }

/**
 * Hashes and verifies passwords with argon2id (ASVS 11.4.2). Each hash runs in a lane.
 * Both methods throw AppError `overloaded` if no lane becomes free in time, and `unavailable` if hashing fails.
 */
export function createPasswordHasher(lanes: Lanes, parameters: HashParameters, hashing: Hashing) {
  const dummyHash = createDummyHash(parameters)

  const matches = (hash: string, password: string) =>
    lanes.run(() => hashing.matches(hash, password.normalize('NFC')))

  return {
    /** Does work that hashes one password. @throws AppError `overloaded` at once if the queue would be full */
    admit: <Result>(work: () => Promise<Result>): Promise<Result> => lanes.admit(work),

    /** Hashes a new password. Returns a PHC string, which contains the salt and the parameters. */
    hash: (password: string): Promise<string> =>
      lanes.run(() => hashing.hash(password.normalize('NFC'), parameters)),

    /**
     * Verifies a password. Without a hash (unknown user, or a user without password) it verifies a dummy
     * hash, so that the response time reveals nothing.
     */
    async verify(hash: string | null | undefined, password: string): Promise<Verification> {
      const cost = hash ? readCost(hash) : undefined
      if (!hash || !cost || exceeds(cost, maxCost)) {
        await matches(dummyHash, password)
        return { valid: false, needsRehash: false }
      }
      const valid = await matches(hash, password)
      return { valid, needsRehash: valid && exceeds(parameters, cost) }
    },
  }
}

export type PasswordHasher = ReturnType<typeof createPasswordHasher>

/** A random hash that no password matches. Verifying it takes as long as verifying a real one. */
function createDummyHash({ memory, iterations, parallelism }: HashParameters): string {
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
