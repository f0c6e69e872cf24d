import { setTimeout as sleep } from 'node:timers/promises'
import { StatusError, type Answer } from './http.js'
import type { KeySet } from './keys.js'
import type { Entries } from './protocol/entries.js'
import { keyForHeader } from './protocol/jose-header.js'
import { parseJws } from './protocol/jws.js'
import { areRevocations, type RevocationClaims } from './protocol/revocations.js'

type Options = {
  issuer: string
  entries: Entries
  keys: KeySet
  /** Requests the denials after a cursor; without one, the whole list. */
  read: (after: string | undefined) => Promise<Answer>
  /** The lease in milliseconds: how long tokens may be accepted after an answer. */
  maxStale: number
  /** Called when the longest life of an access token changes. */
  onChange: () => void
  onError: (error: Error) => void
  /** Monotonic time in milliseconds. */
  clock: () => number
  signal: AbortSignal
}

/** In bytes. */
export const maxAnswer = 4_194_304
const interval = 500
const maxSkew = 5_000
/** Random, so that verifiers that start together do not poll together. */
const pause = () => interval * (0.8 + Math.random() * 0.4)

/**
 * Copies the denials of the service: reads the whole list once, then polls for changes twice a second. Each
 * answer is signed and has a time, so a replayed answer does not renew the lease. Entries stay until they
 * expire, because the service may lose some of them in a failover.
 */
export function createRevocationFeed(options: Options) {
  const { issuer, entries, keys, read, maxStale, onChange, onError, clock, signal } = options
  /** When the entries were complete. */
  let completeAt = -Infinity
  let cursor: string | undefined
  /** While the pages of the whole list are read: the earliest time of a page. */
  let listFrom: number | undefined
  let followedAt = -Infinity
  let lifetime = 0
  let history: string | undefined

  return {
    isWithinLease,

    /** The longest life of an access token in seconds; 0 before the first answer. */
    lifetime: () => lifetime,

    /** Polls until `signal` aborts. Calls `onComplete` whenever the entries are complete. */
    async run(onComplete: () => void): Promise<void> {
      while (!signal.aborted) {
        const hasMore = await poll().catch(fail)
        if (isWithinLease()) onComplete()
        if (!hasMore) await sleep(pause(), undefined, { ref: false, signal }).catch(() => undefined)
      }
    },
  }

  function isWithinLease(): boolean {
    return clock() < completeAt + maxStale
  }

  /**
   * After an outage of the verifier or the database, the next poll reads the whole list. The cursor may belong
   * to a history that the database has lost.
   */
  function fail(error: unknown): false {
    if (signal.aborted) return false
    const isOutage = error instanceof StatusError && error.status === 503
    if (isOutage || !isWithinLease()) {
      cursor = undefined
      listFrom = undefined
      followedAt = -Infinity
    }
    onError(error as Error)
    return false
  }

  /** @returns whether to poll again without a pause */
  async function poll(): Promise<boolean> {
    if (keys.isEmpty) await keys.load()
    else if (keys.isDue()) keys.load().catch(onError)
    const after = cursor
    const askedAt = clock()
    const claims = await open((await read(after)).text)
    const age = Date.now() - claims.at
    if (claims.after !== (after ?? null) || (after === undefined && !claims.full)) {
      throw new Error('the answer belongs to another request')
    }
    if (age < -maxSkew || age > maxStale) {
      throw new Error(`the answer is ${String(Math.round(age))} ms old by the clock of this host`)
    }
    return take(claims, askedAt - Math.max(0, age))
  }

  /** @throws Error unless a key of the service signed the answer, and it has not expired */
  async function open(token: string): Promise<RevocationClaims> {
    const jws = parseJws(token, maxAnswer)
    if (!jws) throw new Error('the answer is not a JWS')
    const { kid } = jws.header
    if (typeof kid === 'string' && !keys.find(kid)) await keys.loadUnknown(kid)
    const key = keyForHeader(keys, jws.header, 'revocations+jwt')
    const claims = key?.verify(jws)
    const now = new Date()
    if (!key || !areRevocations(claims, { issuer, now }) || !claims.keys.includes(key.kid)) {
      throw new Error('the answer is not signed by a key of the service')
    }
    return claims
  }

  function take(claims: RevocationClaims, trueAt: number): boolean {
    const { denials, full, more, next, at } = claims
    for (const [id, expires_at, epoch] of denials) {
      entries.add({ id, expires_at, epoch: epoch ?? undefined })
    }
    entries.sweep(Math.min(at, Date.now()) / 1_000)
    // After a failover the clock of the database may be behind that of its predecessor.
    const isNewHistory = history !== undefined && claims.history !== history
    if (isNewHistory || at >= followedAt) follow(claims, isNewHistory)
    history = claims.history
    const wasPaging = listFrom !== undefined
    cursor = next
    if (full) listFrom = Math.min(listFrom ?? trueAt, trueAt)
    if (more) return true
    completeAt = Math.max(completeAt, listFrom ?? trueAt)
    listFrom = undefined
    return wasPaging
  }

  function follow(claims: RevocationClaims, isNewHistory: boolean): void {
    followedAt = claims.at
    keys.follow(claims.keys, isNewHistory)
    if (claims.lifetime !== lifetime) onChange()
    lifetime = claims.lifetime
  }
}
