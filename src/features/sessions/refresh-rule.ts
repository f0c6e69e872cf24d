/** What a session's row says of its generations. Times are seconds since 1970 by the database's clock. */
export type SessionState = {
  /** The present generation: how often the session moved on. */
  generation: number
  /** When each of the last generations before the present one was exchanged, the newest last. */
  spent_at: number[]
  /** Whether an access token of the present generation was accepted. */
  is_sighted: boolean
  /** How often a spent token was repeated after the grace since the last such access token. */
  repeats: number
}

/**
 * What to do with a refresh token: `rotate` moves the session on, `repeat` answers the present
 * generation again, `repeat_late` does so after the grace and is counted and audited, `reuse` ends
 * the session.
 */
export type Decision = 'rotate' | 'repeat' | 'repeat_late' | 'reuse'

/** Late repeats without a sighting between them. One more is reuse. */
const maxRepeats = 1

/**
 * The rule of refreshing (RFC 9700 §4.14.2), for a grace in seconds.
 *
 * Answers of parallel requests reach a client in any order, and any of them may be the one it keeps.
 * Within the grace each spent token therefore gets the present generation, which is not moved on
 * while it is younger than `minAge`. That also bounds how many generations a grace can hold.
 */
export function createRefreshRule(grace: number) {
  // A grace of more than five minutes would else have too many generations to remember.
  const minAge = Math.max(Math.min(5, grace / 2), grace / 64)

  return {
    /** How long a generation stays the present one, in seconds. The login's own token need not wait. */
    minAge,

    /** How many spent generations a session remembers: as many as one grace can hold. */
    remembered: Math.ceil(grace / minAge),

    decide(state: SessionState, presented: number, now: number): Decision {
      const stepsBehind = state.generation - presented
      const spentAt = state.spent_at.at(-Math.max(stepsBehind, 1)) ?? -Infinity
      if (stepsBehind === 0) return now - spentAt < minAge ? 'repeat' : 'rotate'
      if (stepsBehind > 0 && now - spentAt < grace) return 'repeat'
      const mayBeLost = stepsBehind === 1 && !state.is_sighted
      return mayBeLost && state.repeats < maxRepeats ? 'repeat_late' : 'reuse'
    },
  }
}

export type RefreshRule = ReturnType<typeof createRefreshRule>
