/** The state of a session that the refresh rule reads. Times are seconds since 1970 by the database's clock. */
export type SessionState = {
  /** The present generation: how often the session was rotated. */
  generation: number
  /** When the tokens of the last generations were spent, the newest last. */
  spent_at: number[]
  /** Whether an access token of the present generation was accepted. */
  is_used: boolean
  /** How often a pair was repeated after the grace, since the session was last marked as used. */
  repeats: number
}

/**
 * What to do with a refresh token. `rotate` moves the session to the next generation. `repeat` returns
 * the pair of the present generation again. `repeat_late` does the same after the grace, and is counted
 * and audited. `reuse` ends the session.
 */
export type Decision = 'rotate' | 'repeat' | 'repeat_late' | 'reuse'

/**
 * How often the refresh token before the present one may be used after the grace, as long as no access token
 * of the present pair was used: the client may never have received that pair.
 */
const maxRepeats = 1

/**
 * Decides what a refresh token gets (RFC 9700 §4.14.2). `grace` is in seconds.
 *
 * Answers to parallel requests reach a client in any order, and the client may keep any of them. Within
 * the grace each spent token therefore gets the present generation. A generation younger than `minAge`
 * is not rotated, which also bounds how many generations fit into a grace.
 */
export function createRefreshRule(grace: number) {
  // grace / 64 bounds the remembered generations when the grace is over five minutes.
  const minAge = Math.max(Math.min(5, grace / 2), grace / 64)

  return {
    /** The least age of a generation before it is rotated, in seconds. The first generation may rotate at once. */
    minAge,

    /** How many spent generations a session remembers: as many as fit into one grace. */
    remembered: Math.ceil(grace / minAge),

    /** @param presented the generation of the refresh token @param now seconds since 1970 */
    decide(state: SessionState, presented: number, now: number): Decision {
      const stepsBehind = state.generation - presented
      const spentAt = state.spent_at.at(-Math.max(stepsBehind, 1)) ?? -Infinity
      if (stepsBehind === 0) return now - spentAt < minAge ? 'repeat' : 'rotate'
      if (stepsBehind > 0 && now - spentAt < grace) return 'repeat'
      const mayBeLost = stepsBehind === 1 && !state.is_used
      return mayBeLost && state.repeats < maxRepeats ? 'repeat_late' : 'reuse'
    },
  }
}

export type RefreshRule = ReturnType<typeof createRefreshRule>
