/**
 * Denies every token of an id, or only tokens with a lower epoch. The id is that of a token, a session, a user
 * or a client.
 */
export type Denial = {
  id: string
  /** Undefined denies every token of the id. */
  epoch?: number | undefined
  /** Seconds since 1970, later than the expiry of every token that it denies. */
  expires_at: number
}

/** Looks up the denial of an id. */
export type Denials = {
  /** Whether every token of the id is denied. */
  isDenied: (id: string) => boolean
  /** The lowest epoch that is accepted, if it is known and the id is not denied. */
  epochOf: (id: string) => number | undefined
}

/** An expiry in seconds since 1970, by the clock of this host. The next delta brings the expiry of the database. */
export const expiresIn = (seconds: number): number => Math.ceil(Date.now() / 1_000) + seconds
