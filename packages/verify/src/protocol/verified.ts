import type { AccessClaims } from './claims.js'

type Options = {
  /** Most tokens of a generation; there are two. */
  most: number
}

type Verified = { token: string; claims: AccessClaims }

/**
 * Access tokens whose signature and claims were found good, by their text: verifying one again costs a
 * lookup. Two generations: when the younger is full it becomes the older, whose tokens go unless they
 * are used. It knows nothing of revocation, nor of time: who finds claims here still checks both.
 */
export function createVerifiedTokens({ most }: Options) {
  let young = new Map<string, Verified>()
  let old = new Map<string, Verified>()
  let version = 0

  return {
    /** What was begun under another version is not to be added. */
    get version() {
      return version
    },

    get(token: string): AccessClaims | undefined {
      const key = keyOf(token)
      const fresh = young.get(key)
      const found = fresh ?? old.get(key)
      if (found?.token !== token) return undefined
      if (!fresh) keep(key, found)
      return found.claims
    },

    add(token: string, claims: AccessClaims): void {
      keep(keyOf(token), { token, claims })
    },

    /** For when a key changes: what it signed may no longer be good. */
    clear(): void {
      version += 1
      young = new Map()
      old = new Map()
    },
  }

  function keep(key: string, verified: Verified): void {
    if (young.size >= most) {
      old = young
      young = new Map()
    }
    young.set(key, verified)
  }
}

/** The end of its signature, which is quicker to hash than the whole. */
const keyOf = (token: string) => token.slice(-32)

export type VerifiedTokens = ReturnType<typeof createVerifiedTokens>
