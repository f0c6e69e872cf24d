import type { AccessClaims } from './claims.js'

type Options = {
  /** Most tokens of a generation; there are two. */
  most: number
}

/**
 * Access tokens whose signature and claims were found good, by their text: verifying one again costs a
 * lookup. Two generations: when the younger is full it becomes the older, whose tokens go unless they
 * are used. It knows nothing of revocation, nor of time: who finds claims here still checks both.
 */
export function createVerifiedTokens({ most }: Options) {
  let young = new Map<string, AccessClaims>()
  let old = new Map<string, AccessClaims>()
  let version = 0

  return {
    /** What was begun under another version is not to be added. */
    get version() {
      return version
    },

    get(token: string): AccessClaims | undefined {
      const claims = young.get(token)
      if (claims) return claims
      const aged = old.get(token)
      if (aged) add(token, aged)
      return aged
    },

    add,

    /** For when a key changes: what it signed may no longer be good. */
    clear(): void {
      version += 1
      young = new Map()
      old = new Map()
    },
  }

  function add(token: string, claims: AccessClaims): void {
    if (young.size >= most) {
      old = young
      young = new Map()
    }
    young.set(token, claims)
  }
}

export type VerifiedTokens = ReturnType<typeof createVerifiedTokens>
