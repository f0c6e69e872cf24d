import { createRecent } from '../../concurrency/recent.js'

/** Remembers access tokens that this instance has signed, until they are first used: their signature needs no check. */
export function createIssuedTokens() {
  const tokens = createRecent<true>(2_500)

  return {
    add: (token: string): void => tokens.set(token, true),

    /** Whether the token was signed here and not taken yet. */
    take: (token: string): boolean => tokens.delete(token),

    /** Call it when the keys change, because tokens of a removed key are no longer valid. */
    clear: tokens.clear,
  }
}

export type IssuedTokens = ReturnType<typeof createIssuedTokens>
