import {
  findFault,
  type AccessClaims,
  type Denial,
  type Denials,
  type Entries,
} from '@gatehouse/verify/protocol'
import type { Clock } from '../../concurrency/clock.js'
import { AppError } from '../../errors.js'
import type { Lookup } from './lookup.js'

type Dependencies = {
  entries: Entries
  /** Whether the replica is recent enough to answer from memory. */
  isWithinLease: () => boolean
  lookup: Lookup
  /** Notifies the other instances of new denials. */
  notifyOthers: () => void
  clock: Pick<Clock, 'monotonic'>
  /** How long a denial lasts, in seconds: longer than an access token. */
  denyFor: number
}

/** Checks whether an access token was revoked, from memory where that is safe. */
export function createDenylist(dependencies: Dependencies) {
  const { entries, isWithinLease, lookup, notifyOthers, clock, denyFor } = dependencies
  // Ids whose denial was sent but not confirmed. Only the database knows whether it was committed.
  const uncertainUntil = new Map<string, number>()

  return {
    /**
     * Requires that neither the token nor its session nor its subject is denied, and that the token's
     * epoch is current. Within the lease it answers from memory; otherwise it queries the database.
     * @returns a promise only if it queries the database
     * @throws AppError `invalid_token`; `token_stale` if a refresh helps; `unavailable`
     */
    requireLive(claims: AccessClaims): Promise<void> | undefined {
      if (!isWithinLease() || (uncertainUntil.size > 0 && isUncertain(claims)))
        return queryDatabase(claims)
      requireUndenied(claims, entries)
      return undefined
    },

    /** Adds committed denials. They apply here at once, and on other instances after a NOTIFY. */
    add(denials: Denial[]): void {
      if (denials.length === 0) return
      for (const denial of denials) entries.add(denial)
      notifyOthers()
    },

    /** Marks denials whose commit was sent but not confirmed. It may have succeeded. */
    markUncertain(denials: Denial[]): void {
      if (denials.length === 0) return
      const now = clock.monotonic()
      for (const [id, until] of uncertainUntil) if (until < now) uncertainUntil.delete(id)
      for (const { id } of denials) uncertainUntil.set(id, now + denyFor * 1_000)
      notifyOthers()
    },
  }

  function isUncertain({ jti, sid, sub }: AccessClaims): boolean {
    return uncertainUntil.has(sid) || uncertainUntil.has(jti) || uncertainUntil.has(sub)
  }

  /** Checks memory too: after a failover the database may lack denials that it had acknowledged. */
  async function queryDatabase(claims: AccessClaims): Promise<void> {
    requireUndenied(claims, entries)
    requireUndenied(claims, await lookup.query([claims.jti, claims.sid, claims.sub]))
  }
}

/** @throws AppError `invalid_token`, `token_stale` */
function requireUndenied(claims: AccessClaims, denials: Denials): void {
  const fault = findFault(claims, denials)
  if (fault) throw new AppError(fault)
}

export type Denylist = ReturnType<typeof createDenylist>
