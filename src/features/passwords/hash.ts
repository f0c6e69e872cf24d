import { randomBytes } from 'node:crypto'
import type { Lanes } from '../../concurrency/lanes.js'
import type { HashParameters } from './argon2.js'
import type { Hashing } from './child-process.js'
import { dummyOf, faultOfStored, readStored } from './foreign/stored.js'
import { toBase64 } from './foreign/recipe.js'
import { createForeignVerifier } from './foreign/verifier.js'

/**
 * `needsRehash`: the password is valid, but its hash is of another system, or weaker than the present parameters.
 * `elapsed`: how long the verification took in its lane, in milliseconds.
 */
export type Verification = { valid: boolean; needsRehash: boolean; elapsed: number }

type Options = {
  /** Reads a key that takes part in imported hashes. */
  findKey?: (id: string) => Promise<Buffer | undefined>
  /** Called with the time of each verification. `scheme` is null for argon2id with the present parameters. */
  onVerified?: (scheme: string | null, elapsed: number) => void
}

// A stored hash contains its own parameters. An imported hash must not cost more than this.
const maxCost: HashParameters = { memory: 1_048_576, iterations: 10, parallelism: 16 }

/**
 * Hashes and verifies passwords with argon2id (ASVS 11.4.2). Each hash runs in a lane.
 * Both methods throw AppError `overloaded` if no lane becomes free in time, and `unavailable` if hashing fails.
 */
export function createPasswordHasher(
  lanes: Lanes,
  parameters: HashParameters,
  hashing: Hashing,
  { findKey = async () => undefined, onVerified = () => undefined }: Options = {},
) {
  const dummyHash = createDummyHash(parameters)

  const foreign = createForeignVerifier({ hashing, findKey, verifyArgon2: matches })

  /** The scheme of a hash that has other parameters than a new one; null for one that has the same. */
  function schemeOf(hash: string): string | null {
    const cost = readCost(hash)
    return cost && isEqual(cost, parameters) ? null : (readStored(hash)?.scheme ?? null)
  }

  /** A malformed hash takes as long as another, or the time of the answer would tell that the account exists. */
  async function matches(hash: string, text: string): Promise<boolean> {
    const isMatch = await hashing.matches(hash, text)
    if (isMatch === null) await hashing.matches(dummyHash, text)
    return isMatch === true
  }

  /** Verifies a password with a stored hash, ours or another system's. */
  async function check(hash: string | null | undefined, password: string) {
    const cost = hash ? readCost(hash) : undefined
    if (hash && cost && !exceeds(cost, maxCost)) {
      const valid = await matches(hash, password.normalize('NFC'))
      return { valid, needsRehash: valid && exceeds(parameters, cost), scheme: schemeOf(hash) }
    }
    const stored = hash && !cost ? readStored(hash) : undefined
    if (hash && stored && faultOfStored(stored) === undefined) {
      const valid = await foreign.verify(stored, hash, password)
      return { valid, needsRehash: valid, scheme: stored.scheme }
    }
    await hashing.matches(dummyHash, password)
    return { valid: false, needsRehash: false, scheme: null }
  }

  /**
   * Verifies a password. Without a hash (unknown user, or a user without password) it verifies a dummy
   * hash, so that the response time reveals nothing.
   */
  async function verify(hash: string | null | undefined, password: string): Promise<Verification> {
    return lanes.run(async () => {
      const start = performance.now()
      const { scheme, ...result } = await check(hash, password)
      const elapsed = performance.now() - start
      onVerified(scheme, elapsed)
      return { ...result, elapsed }
    })
  }

  return {
    /** Does work that hashes one password. @throws AppError `overloaded` at once if the queue would be full */
    admit: <Result>(work: () => Promise<Result>): Promise<Result> => lanes.admit(work),

    /** Hashes a new password. Returns a PHC string, which contains the salt and the parameters. */
    hash: (password: string): Promise<string> =>
      lanes.run(() => hashing.hash(password.normalize('NFC'), parameters)),

    verify,

    schemeOf,

    /** Verifies a hash of this scheme that no password has, so that its time becomes known. */
    async measure(scheme: string): Promise<void> {
      await verify(dummyOf(scheme, dummyHash), 'no password')
    },

    /** Hashes the digest of a weak hash again. Returns what verify() reads for `$wrapped$…`. */
    wrap: (digest: Buffer): Promise<string> =>
      lanes.run(() => hashing.hash(toBase64(digest), parameters)),
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

const isEqual = (a: HashParameters, b: HashParameters) => !exceeds(a, b) && !exceeds(b, a)

const exceeds = (a: HashParameters, b: HashParameters) =>
  a.memory > b.memory || a.iterations > b.iterations || a.parallelism > b.parallelism
