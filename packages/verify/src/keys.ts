import { createVerifier } from 'fast-jwt'
import { createPublicKey, type JsonWebKey } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Answer } from './http.js'
import { revocationsAudienceOf } from './protocol/audiences.js'
import { thumbprint, type Algorithm } from './protocol/keys.js'
import { verifyOptions } from './protocol/verify-options.js'

type Options = {
  read: () => Promise<Answer>
  issuer: string
  audience: string
  /** Called when other keys verify than before. */
  onChange: () => void
  clock: () => number
}

export type VerifiedType = 'at+jwt' | 'revocations+jwt'

export type PublicKey = {
  kid: string
  algorithm: Algorithm
  verify: Record<VerifiedType, (token: string) => unknown>
}

const maxKeys = 100
/** How often the set is read at most, in milliseconds. */
const every = 1_000

/**
 * The keys that the service publishes, less those that it says are no longer good. They are read again
 * when they are as old as they may be, when the service speaks of others, and for an unknown `kid`.
 */
export function createKeySet({ read, issuer, audience, onChange, clock }: Options) {
  let keys = new Map<string, PublicKey>()
  let listed = new Set<string>()
  let dropped = new Set<string>()
  /** Of the dropped ones those that a failover took, not an operator. */
  let lost = new Set<string>()
  /** Dropped for good, though the service may name them again. */
  let dead = new Set<string>()
  let loading: Promise<void> | undefined
  let askedAt = -Infinity
  let queued: Promise<void> | undefined
  let goodUntil = -Infinity

  return {
    find,
    load,

    get isEmpty() {
      return keys.size === 0
    },

    /**
     * Looks for a key that is not there. Anybody can name one, so the service is asked once a second at
     * most, for everybody who waits. @throws Error
     */
    findNew(kid: string): Promise<void> {
      if (dropped.has(kid)) return Promise.resolve()
      queued ??= wait(askedAt + every - clock())
        .then(load)
        .finally(() => (queued = undefined))
      return queued
    },

    /**
     * The service's own word for which keys are good: one that it names no more is dead at once. The set
     * may come from an instance, or a cache, that has not heard of that yet.
     * @param isNewHistory the database failed over: a removal that was heard of holds all the same
     */
    follow(kids: string[], isNewHistory = false): void {
      const before = new Set(usable())
      const now = new Set(kids)
      const gone = [...listed].filter((kid) => !now.has(kid))
      if (isNewHistory) {
        const removed = [...dropped].filter((kid) => !lost.has(kid))
        dead = new Set([...dead, ...removed].slice(-maxKeys))
        lost = new Set(gone)
      }
      const stay = [...dropped, ...gone].filter((kid) => !now.has(kid) || dead.has(kid))
      dropped = new Set(stay.slice(-maxKeys))
      listed = now
      tell(before)
    },

    /** Whether it is time to ask again. */
    isDue(): boolean {
      const now = clock()
      const mine = usable()
      const theirs = [...listed].filter((kid) => !dropped.has(kid))
      const agrees = mine.length === theirs.length && mine.every((kid) => listed.has(kid))
      return !loading && now >= askedAt + every && (now >= goodUntil || !agrees)
    },
  }

  function find(kid: string): PublicKey | undefined {
    return dropped.has(kid) ? undefined : keys.get(kid)
  }

  function usable(): string[] {
    return [...keys.keys()].filter((kid) => !dropped.has(kid))
  }

  /** One at a time. @throws Error; then the keys stay as they are */
  function load(): Promise<void> {
    loading ??= swap().finally(() => (loading = undefined))
    return loading
  }

  async function swap(): Promise<void> {
    askedAt = clock()
    const { text, headers } = await read()
    const before = new Set(usable())
    keys = readKeys(text, keys, { issuer, audience })
    goodUntil = askedAt + maxAgeOf(headers) * 1_000
    tell(before)
  }

  function tell(before: Set<string>): void {
    const now = usable()
    if (now.length !== before.size || now.some((kid) => !before.has(kid))) onChange()
  }
}

export type KeySet = ReturnType<typeof createKeySet>

const wait = (ms: number) => sleep(Math.max(0, ms), undefined, { ref: false })

/** In seconds, within reason. */
function maxAgeOf(headers: Headers): number {
  const told = /(?:^|[\s,])max-age=(\d{1,9})/i.exec(headers.get('cache-control') ?? '')?.[1]
  return Math.min(Math.max(Number(told ?? 300), 10), 3_600)
}

type Expected = { issuer: string; audience: string }

/** Those that we have not met are prepared; those that nobody can use are left out (RFC 7517 §5). */
function readKeys(text: string, known: Map<string, PublicKey>, expected: Expected) {
  const { keys } = JSON.parse(text) as { keys: JsonWebKey[] }
  if (!Array.isArray(keys) || keys.length > maxKeys) throw new Error('this is no JWK set of ours')
  const ready = keys.flatMap((jwk) => {
    const kid = String(jwk.kid)
    const key = known.get(kid) ?? prepareKey(jwk, expected)
    return key ? [[kid, key] as const] : []
  })
  if (ready.length === 0) throw new Error('the JWK set has no key that verifies')
  return new Map(ready)
}

const kinds: Record<string, { algorithm: Algorithm; kty: string; crv?: string }> = {
  ES256: { algorithm: 'ES256', kty: 'EC', crv: 'P-256' },
  EdDSA: { algorithm: 'EdDSA', kty: 'OKP', crv: 'Ed25519' },
  RS256: { algorithm: 'RS256', kty: 'RSA' },
}

/** A key is for one algorithm (RFC 8725 §3.1), of full size, and called by its thumbprint as all of ours. */
function prepareKey(jwk: JsonWebKey, expected: Expected): PublicKey | undefined {
  const kid = String(jwk.kid)
  const kind = Object.hasOwn(kinds, String(jwk.alg)) ? kinds[String(jwk.alg)] : undefined
  if (!kind || jwk.kty !== kind.kty || jwk.crv !== kind.crv) return undefined
  if (jwk.use !== 'sig' || thumbprint(jwk) !== kid) return undefined
  const key = createPublicKey({ key: jwk, format: 'jwk' })
  if ((key.asymmetricKeyDetails?.modulusLength ?? 2_048) < 2_048) return undefined
  const pem = key.export({ type: 'spki', format: 'pem' }) as string
  const { algorithm } = kind
  return {
    kid,
    algorithm,
    verify: {
      'at+jwt': createVerifier({ key: pem, ...verifyOptions('at+jwt', [algorithm], expected) }),
      'revocations+jwt': createVerifier({
        key: pem,
        algorithms: [algorithm],
        allowedIss: expected.issuer,
        allowedAud: revocationsAudienceOf(expected.issuer),
        checkTyp: 'revocations+jwt',
        requiredClaims: ['iss', 'aud', 'iat', 'exp'],
        errorCacheTTL: -1,
      }),
    },
  }
}
