import type { AccessClaims } from './claims.js'

type Options = {
  /** Tokens in a generation. There are two generations. */
  max: number
}

type Verified<Claims> = { token: string; claims: Claims }

/**
 * A cache of tokens of one type with verified signature and claims. When the younger generation is full, it replaces
 * the older one. A used token moves to the younger generation, so unused tokens are dropped. The cache does not
 * check expiry and revocation: the caller checks both.
 */
export function createVerifiedTokens<Claims = AccessClaims>({ max }: Options) {
  let young = new Map<string, Verified<Claims>>()
  let old = new Map<string, Verified<Claims>>()
  let version = 0

  return {
    /** Increases with each clear(). Do not add a token if the version changed during its verification. */
    get version() {
      return version
    },

    get(token: string): Claims | undefined {
      const ending = endingOf(token)
      const inYoung = young.get(ending)
      const found = inYoung ?? old.get(ending)
      if (found?.token !== token) return undefined
      if (!inYoung) keep(ending, found)
      return found.claims
    },

    add(token: string, claims: Claims): void {
      keep(endingOf(token), { token, claims })
    },

    /** Call it when the keys change, because tokens of a removed key are no longer valid. */
    clear(): void {
      version += 1
      young = new Map()
      old = new Map()
    },
  }

  function keep(ending: string, verified: Verified<Claims>): void {
    if (young.size >= max) {
      old = young
      young = new Map()
    }
    young.set(ending, verified)
  }
}

/** The map key: the end of the signature, which is faster to hash than the whole token. */
const endingOf = (token: string) => token.slice(-32)

export type VerifiedTokens = ReturnType<typeof createVerifiedTokens<AccessClaims>>
