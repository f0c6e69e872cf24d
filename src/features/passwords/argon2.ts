import type { Recipe } from './foreign/recipe.js'

/** The parameters of argon2id. `memory` is in KiB. */
export type HashParameters = { memory: number; iterations: number; parallelism: number }

/** `hash` returns a PHC string. `matches` returns null for a malformed hash, and throws if there is no memory for it. */
export type Argon2 = {
  library: string
  hash: (password: string, parameters: HashParameters) => Promise<string>
  matches: (hash: string, password: string) => Promise<boolean | null>
}

/**
 * Loads the library that hashes. `@node-rs/argon2` takes half the time of `argon2`, but does not exist for every
 * platform. It is used if both compute the same hashes here.
 */
export async function loadArgon2(): Promise<Argon2> {
  const usual = await loadUsual()
  const fast = await loadFast().catch(() => undefined)
  if (!fast || !(await agree(usual, fast).catch(() => false))) return usual
  return {
    ...fast,
    // It refuses a few forms of base64 that `argon2` reads.
    matches: async (hash, password) =>
      (await fast.matches(hash, password)) ?? usual.matches(hash, password),
  }
}

export async function loadUsual(): Promise<Argon2> {
  const { default: argon2 } = await import('argon2')
  return {
    library: 'argon2',
    hash: (password, { memory, iterations, parallelism }) =>
      argon2.hash(password, {
        type: argon2.argon2id,
        memoryCost: memory,
        timeCost: iterations,
        parallelism,
      }),
    matches: (hash, password) => argon2.verify(hash, password).catch(nullIfMalformed),
  }
}

export async function loadFast(): Promise<Argon2> {
  const { hash, verify } = await import('@node-rs/argon2')
  return {
    library: '@node-rs/argon2',
    // Its default is argon2id.
    hash: (password, { memory, iterations, parallelism }) =>
      hash(password, {
        memoryCost: memory,
        timeCost: iterations,
        parallelism,
      }),
    matches: (hash, password) => verify(hash, password).catch(nullIfMalformed),
  }
}

/** The digest alone, of any kind of argon2. */
export async function deriveArgon2(
  { type, version, m, t, p, salt, length }: Extract<Recipe, { kind: 'argon2' }>,
  password: string,
): Promise<Buffer> {
  const { default: argon2 } = await import('argon2')
  return argon2.hash(password, {
    raw: true,
    type: argon2[type],
    version,
    memoryCost: m,
    timeCost: t,
    parallelism: p,
    salt: Buffer.from(salt, 'base64'),
    hashLength: length,
  })
}

/** Each library verifies a hash of the other, and refuses another password, with the cheapest parameters. */
export async function agree(one: Argon2, other: Argon2): Promise<boolean> {
  const parameters = { memory: 16, iterations: 2, parallelism: 2 }
  const password = 'päss wörd'
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    const hash = await from.hash(password, parameters)
    if (!hash.startsWith('$argon2id$v=19$m=16,t=2,p=2$')) return false
    if (!(await to.matches(hash, password)) || (await to.matches(hash, 'pass word'))) return false
  }
  return true
}

function nullIfMalformed(error: unknown): null {
  if (error instanceof Error && /memory allocation/i.test(error.message)) throw error
  return null
}
