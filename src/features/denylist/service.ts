import {
  judge,
  type AccessClaims,
  type Answers,
  type Denial,
  type Entries,
} from '@gatehouse/verify/protocol'
import { AppError } from '../../errors.js'
import type { Lookup } from './lookup.js'

type Dependencies = {
  entries: Entries
  /** Whether the replica may answer: it has heard from the database within the lease. */
  isFresh: () => boolean
  lookup: Lookup
  /** Tells the other instances that there is something to read. */
  wakeOthers: () => void
  /** Milliseconds from anywhere, that only grow. */
  clock: () => number
  /** How long a doubt lasts, in seconds: as long as the tokens that it is about. */
  denyFor: number
}

/** Which tokens that still verify are dead all the same: answered from memory, without a query. */
export function createDenylist(dependencies: Dependencies) {
  const { entries, isFresh, lookup, wakeOthers, clock, denyFor } = dependencies
  // Ids whose denial was sent and never confirmed: only the database knows.
  const doubts = new Map<string, number>()

  return {
    /**
     * Neither the token nor its session is denied, and its epoch is the user's. Answers at once while
     * the replica is fresh; else by the database, and not at all without it.
     * @returns a promise only where it has to ask
     * @throws AppError `invalid_token`, `token_stale` when a refresh heals it, `unavailable`
     */
    requireLive(claims: AccessClaims): Promise<void> | undefined {
      if (!isFresh() || (doubts.size > 0 && isDoubted(claims))) return ask(claims)
      requireUndenied(claims, entries)
      return undefined
    },

    /** What was committed here: it holds here at once, and soon elsewhere. */
    add(denials: Denial[]): void {
      if (denials.length === 0) return
      for (const denial of denials) entries.add(denial)
      wakeOthers()
    },

    /** What was to be committed here, and may have been. */
    doubt(denials: Denial[]): void {
      if (denials.length === 0) return
      const now = clock()
      for (const [id, until] of doubts) if (until < now) doubts.delete(id)
      for (const { id } of denials) doubts.set(id, now + denyFor * 1_000)
      wakeOthers()
    },
  }

  function isDoubted({ jti, sid, sub }: AccessClaims): boolean {
    return doubts.has(sid) || doubts.has(jti) || doubts.has(sub)
  }

  /** What memory denies is denied: after a failover the database may lack what it had acknowledged. */
  async function ask(claims: AccessClaims): Promise<void> {
    requireUndenied(claims, entries)
    requireUndenied(claims, await lookup.ask([claims.jti, claims.sid, claims.sub]))
  }
}

/** @throws AppError `invalid_token`, `token_stale` */
function requireUndenied(claims: AccessClaims, answers: Answers): void {
  const fault = judge(claims, answers)
  if (fault) throw new AppError(fault)
}

export type Denylist = ReturnType<typeof createDenylist>
