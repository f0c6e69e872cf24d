import { createPublicKey, type JsonWebKey } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Answer } from './http.js'
import { thumbprint, type Algorithm } from './protocol/keys.js'
import { createJwsVerifier, fitsAlgorithm, type JwsVerifier } from './protocol/signature.js'

type Options = {
  read: () => Promise<Answer>
  /** Called when the set of accepted keys changes. */
  onChange: () => void
  /** Monotonic time in milliseconds. */
  clock: () => number
}

export type PublicKey = { kid: string; algorithm: Algorithm; verify: JwsVerifier }

const maxKeys = 100
/** The shortest time between two requests for the set, in milliseconds. */
const minInterval = 1_000

/**
 * The keys of the JWK set, without the keys that the feed no longer lists. The set is loaded again when its
 * cache time ends, when the feed lists different keys, and when a token has an unknown `kid`.
 */
export function createKeySet({ read, onChange, clock }: Options) {
  let keys = new Map<string, PublicKey>()
  /** The keys in the last answer of the feed. */
  let listed = new Set<string>()
  /** Keys that the feed listed earlier, but no longer lists. */
  let dropped = new Set<string>()
  /** Dropped keys that a failover lost. The service may list them again. */
  let lost = new Set<string>()
  /** Keys that an operator removed before a failover. They stay refused. */
  let removed = new Set<string>()
  let loading: Promise<void> | undefined
  let loadedAt = -Infinity
  let queued: Promise<void> | undefined
  let cachedUntil = -Infinity

  return {
    find,
    load,

    get isEmpty() {
      return keys.size === 0
    },

    /**
     * Loads the set for a `kid` that is not in it. Anyone can send an unknown `kid`, so all callers share
     * one request a second. @throws Error
     */
    loadUnknown(kid: string): Promise<void> {
      if (dropped.has(kid)) return Promise.resolve()
      queued ??= wait(loadedAt + minInterval - clock())
        .then(load)
        .finally(() => (queued = undefined))
      return queued
    },

    /**
     * Applies the list of keys from the feed. A key that it no longer lists is refused at once, even if the
     * JWK set still has it: the set may come from a cache or from an instance that is out of date.
     * @param isNewHistory whether the database failed over; keys removed before that stay refused
     */
    follow(kids: string[], isNewHistory = false): void {
      const before = new Set(accepted())
      const now = new Set(kids)
      const unlisted = [...listed].filter((kid) => !now.has(kid))
      if (isNewHistory) {
        const byOperator = [...dropped].filter((kid) => !lost.has(kid))
        removed = new Set([...removed, ...byOperator].slice(-maxKeys))
        lost = new Set(unlisted)
      }
      const refused = [...dropped, ...unlisted].filter((kid) => !now.has(kid) || removed.has(kid))
      dropped = new Set(refused.slice(-maxKeys))
      listed = now
      notifyIfChanged(before)
    },

    /** Whether the set should be loaded again. */
    isDue(): boolean {
      const now = clock()
      const kids = accepted()
      const expected = [...listed].filter((kid) => !dropped.has(kid))
      const agrees = kids.length === expected.length && kids.every((kid) => listed.has(kid))
      return !loading && now >= loadedAt + minInterval && (now >= cachedUntil || !agrees)
    },
  }

  function find(kid: string): PublicKey | undefined {
    return dropped.has(kid) ? undefined : keys.get(kid)
  }

  function accepted(): string[] {
    return [...keys.keys()].filter((kid) => !dropped.has(kid))
  }

  /** Loads the set. Callers share one request, and an error leaves the keys unchanged. @throws Error */
  function load(): Promise<void> {
    loading ??= replace().finally(() => (loading = undefined))
    return loading
  }

  async function replace(): Promise<void> {
    loadedAt = clock()
    const { text, headers } = await read()
    const before = new Set(accepted())
    keys = readKeys(text, keys)
    cachedUntil = loadedAt + maxAgeOf(headers) * 1_000
    notifyIfChanged(before)
  }

  function notifyIfChanged(before: Set<string>): void {
    const now = accepted()
    if (now.length !== before.size || now.some((kid) => !before.has(kid))) onChange()
  }
}

export type KeySet = ReturnType<typeof createKeySet>

const wait = (ms: number) => sleep(Math.max(0, ms), undefined, { ref: false })

/** The `max-age` in seconds, at least 10 and at most 3,600. */
function maxAgeOf(headers: Headers): number {
  const maxAge = /(?:^|[\s,])max-age=(\d{1,9})/i.exec(headers.get('cache-control') ?? '')?.[1]
  return Math.min(Math.max(Number(maxAge ?? 300), 10), 3_600)
}

/** Prepares only new keys, and ignores keys that it cannot use (RFC 7517 §5). */
function readKeys(text: string, known: Map<string, PublicKey>): Map<string, PublicKey> {
  const { keys } = JSON.parse(text) as { keys: JsonWebKey[] }
  if (!Array.isArray(keys) || keys.length > maxKeys) throw new Error('the answer is not a JWK set')
  const ready = keys.flatMap((jwk) => {
    const kid = String(jwk.kid)
    const key = known.get(kid) ?? prepareKey(jwk)
    return key ? [[kid, key] as const] : []
  })
  if (ready.length === 0) throw new Error('the JWK set has no usable key')
  return new Map(ready)
}

const kinds: Record<string, { algorithm: Algorithm; kty: string; crv?: string }> = {
  ES256: { algorithm: 'ES256', kty: 'EC', crv: 'P-256' },
  EdDSA: { algorithm: 'EdDSA', kty: 'OKP', crv: 'Ed25519' },
  RS256: { algorithm: 'RS256', kty: 'RSA' },
}

/** Returns undefined unless the key has a supported algorithm (RFC 8725 §3.1) and its thumbprint as `kid`. */
function prepareKey(jwk: JsonWebKey): PublicKey | undefined {
  const kid = String(jwk.kid)
  const kind = Object.hasOwn(kinds, String(jwk.alg)) ? kinds[String(jwk.alg)] : undefined
  if (!kind || jwk.kty !== kind.kty || jwk.crv !== kind.crv) return undefined
  if (jwk.use !== 'sig' || thumbprint(jwk) !== kid) return undefined
  const key = createPublicKey({ key: jwk, format: 'jwk' })
  const { algorithm } = kind
  if (!fitsAlgorithm(key, algorithm)) return undefined
  return { kid, algorithm, verify: createJwsVerifier(key, algorithm) }
}
