/** The most tokens of a generation. There are two. */
const max = 2_500

/**
 * Remembers access tokens that this instance has signed, until they are first used: their signature needs no check.
 * When the younger generation is full, it replaces the older one.
 */
export function createIssuedTokens() {
  let young = new Set<string>()
  let old = new Set<string>()

  return {
    add(token: string): void {
      if (young.size >= max) {
        old = young
        young = new Set()
      }
      young.add(token)
    },

    /** Whether the token was signed here and not taken yet. */
    take: (token: string): boolean => young.delete(token) || old.delete(token),

    /** Call it when the keys change, because tokens of a removed key are no longer valid. */
    clear(): void {
      young.clear()
      old.clear()
    },
  }
}

export type IssuedTokens = ReturnType<typeof createIssuedTokens>
