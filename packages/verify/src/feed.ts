import { createDecoder } from 'fast-jwt'
import { setTimeout as sleep } from 'node:timers/promises'
import { StatusError, type Answer } from './http.js'
import type { KeySet } from './keys.js'
import { isCompact, keyForHeader } from './protocol/compact.js'
import { dead, type Entries } from './protocol/entries.js'
import { areRevocations, type RevocationClaims } from './protocol/revocations.js'

type Options = {
  entries: Entries
  keys: KeySet
  /** What the service answers about a cursor. */
  read: (after: string | undefined) => Promise<Answer>
  /** Milliseconds for which what was heard may be relied on. */
  maxStale: number
  /** Called when tokens may live for another time than before. */
  onChange: () => void
  onError: (error: Error) => void
  /** Milliseconds from anywhere, that only grow. */
  clock: () => number
  signal: AbortSignal
}

export const maxAnswer = 4_194_304
const interval = 500
const skew = 5_000
/** A thousand verifiers that were started together do not ask together. */
const pause = () => interval * (0.8 + Math.random() * 0.4)
const decode = createDecoder({ complete: true }) as (token: string) => {
  header: Record<string, unknown>
}

/**
 * Keeps the entries as the service has them: all of them once, and then what is new, twice a second. How
 * long ago an answer was true is its own word, which is signed: played again it is as old as it is.
 * Entries stay until they expire, also where the service lists them no more, as after a failover.
 */
export function createRevocationFeed(options: Options) {
  const { entries, keys, read, maxStale, onChange, onError, clock, signal } = options
  let heardAt = -Infinity
  let cursor: string | undefined
  /** Of when the list of all is true that is being read. */
  let listFrom: number | undefined
  let followedAt = -Infinity
  let lifetime = 0
  let history: string | undefined

  return {
    isFresh,

    /** How long an access token lives at most, in seconds; 0 before anything is known. */
    lifetime: () => lifetime,

    /** Asks until it is told to stop; `onFull` is called once all is known. */
    async run(onFull: () => void): Promise<void> {
      while (!signal.aborted) {
        const goesOn = await poll().catch(fail)
        if (isFresh()) onFull()
        if (!goesOn) await sleep(pause(), undefined, { ref: false, signal }).catch(() => undefined)
      }
    },
  }

  function isFresh(): boolean {
    return clock() < heardAt + maxStale
  }

  /** After an outage, of ours or of the database, all is read again: the cursor may be of another past. */
  function fail(error: unknown): false {
    if (signal.aborted) return false
    const isOutage = error instanceof StatusError && error.status === 503
    if (isOutage || !isFresh()) {
      cursor = undefined
      listFrom = undefined
      followedAt = -Infinity
    }
    onError(error as Error)
    return false
  }

  /** Whether there is more to be asked at once. */
  async function poll(): Promise<boolean> {
    if (keys.isEmpty) await keys.load()
    else if (keys.isDue()) keys.load().catch(onError)
    const asked = cursor
    const askedAt = clock()
    const claims = await open((await read(asked)).text)
    const age = Date.now() - claims.at
    if (claims.after !== (asked ?? null) || (asked === undefined && !claims.full)) {
      throw new Error('the service answered another question')
    }
    if (age < -skew || age > maxStale) {
      throw new Error(`the answer is ${String(Math.round(age))} ms old by the clock of this host`)
    }
    return take(claims, askedAt - Math.max(0, age))
  }

  /** @throws Error for what is not signed by a key of the service, or not for now */
  async function open(token: string): Promise<RevocationClaims> {
    if (!isCompact(token, maxAnswer)) throw new Error('the service answered no JWS')
    const { header } = decode(token)
    const { kid } = header
    if (typeof kid === 'string' && !keys.find(kid)) await keys.findNew(kid)
    const key = keyForHeader(keys, header, 'revocations+jwt')
    const claims = key?.verify['revocations+jwt'](token)
    if (!key || !areRevocations(claims) || !claims.keys.includes(key.kid)) {
      throw new Error('the answer is not signed by a key of the service')
    }
    return claims
  }

  function take(claims: RevocationClaims, trueAt: number): boolean {
    const { denials, full, more, next, at } = claims
    for (const [id, expires_at, epoch] of denials) {
      entries.add({ id, expires_at, epoch: epoch ?? dead })
    }
    entries.sweep(Math.min(at, Date.now()) / 1_000)
    // After a failover the clock of the database may be behind that of the one before.
    const isNew = history !== undefined && claims.history !== history
    if (isNew || at >= followedAt) follow(claims, isNew)
    history = claims.history
    const wasPaging = listFrom !== undefined
    cursor = next
    if (full) listFrom = Math.min(listFrom ?? trueAt, trueAt)
    if (more) return true
    heardAt = Math.max(heardAt, listFrom ?? trueAt)
    listFrom = undefined
    return wasPaging
  }

  function follow({ at, keys: kids, lifetime: told }: RevocationClaims, isNew: boolean): void {
    followedAt = at
    keys.follow(kids, isNew)
    if (told !== lifetime) onChange()
    lifetime = told
  }
}
