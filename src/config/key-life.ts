import type { Algorithm, TokenType } from '@gatehouse/verify/protocol'

/** How long verifiers may cache the JWK set, in seconds. The next three constants are in seconds too. */
export const jwksMaxAge = 300

/**
 * How long a key is published before it signs. It is longer than jwksMaxAge, because some verifiers
 * cache the JWK set for longer, and an instance may load a new key late.
 */
export const leadTime = 900

/** Allowed clock difference, and delay until every instance stops signing with a retired key. */
const leeway = 120

/** How long an instance may still use the previous JWT_ALGORITHM after a change. */
const changeTime = 86_400

/** The stored times of a key, as ISO 8601 text, by the clock of the database. */
export type DatedKey = { kid: string; algorithm: Algorithm; created_at: string; signs_from: string }

/**
 * The life of a key, in milliseconds since 1970 by the clock of the database. After `until` the key verifies
 * no tokens of that type.
 */
export type Life = { signsFrom: number; retiresAt: number; until: Record<TokenType, number> }

/** The lifetimes of tokens, in seconds. */
export type Lifetimes = { accessTtl: number; refreshTtl: number }

/** The life of a key that is never rotated. */
export const eternal: Life = {
  signsFrom: 0,
  retiresAt: Infinity,
  until: { 'at+jwt': Infinity, 'rt+jwt': Infinity, 'fa+jwt': Infinity },
}

/**
 * Computes the life of each key. A key retires when the next key of its algorithm begins to sign. When the
 * algorithm changes, the last key of the old algorithm signs for another day, because instances do not
 * restart at the same time. A retired key verifies tokens until the last token that it signed has expired.
 * @param keys in the order in which they sign
 */
export function livesOf<Key extends DatedKey>(
  keys: Key[],
  { accessTtl, refreshTtl }: Lifetimes,
): (Key & Life)[] {
  return keys.map((key, at) => {
    const ends = keys
      .slice(at + 1)
      .map((next) => startOf(next) + (next.algorithm === key.algorithm ? 0 : changeTime * 1_000))
    const retiresAt = ends.reduce((first, end) => Math.min(first, end), Infinity)
    const verifiesFor = (ttl: number) => retiresAt + (ttl + leeway) * 1_000
    const ofSession = verifiesFor(refreshTtl)
    const until = { 'at+jwt': verifiesFor(accessTtl), 'rt+jwt': ofSession, 'fa+jwt': ofSession }
    return { ...key, signsFrom: startOf(key), retiresAt, until }
  })
}

/**
 * When the last refresh token of the old kind expires: older releases signed refresh tokens with the
 * published keys. For a day after the change, an instance of an older release may still issue them.
 * @param since when refresh tokens got their own keys; null if there was no session before that
 * @returns milliseconds since 1970
 */
export const oldRefreshUntil = (since: number | null, { refreshTtl }: Lifetimes): number =>
  since === null ? -Infinity : since + (changeTime + refreshTtl + leeway) * 1_000

const startOf = ({ signs_from }: DatedKey) => Date.parse(signs_from)

/** Whether a key may be used with the configured algorithm: never mix HS256 with public keys (RFC 8725 §3.1). */
export const isUsable = (key: { algorithm: Algorithm }, algorithm: Algorithm) =>
  (key.algorithm === 'HS256') === (algorithm === 'HS256')

/**
 * The key that signs now: the newest active key of the algorithm. If it has none yet, because its first key
 * is only published, the newest active key of another algorithm. If no key is active, the first usable key.
 */
export function signerOf<Key extends Pick<DatedKey, 'algorithm'> & Life>(
  keys: Key[],
  algorithm: Algorithm,
  now: number,
): Key | undefined {
  const usable = keys.filter((key) => isUsable(key, algorithm))
  const signing = usable.filter(({ signsFrom, retiresAt }) => signsFrom <= now && now < retiresAt)
  const isMine = (key: Key) => key.algorithm === algorithm
  return signing.findLast(isMine) ?? signing.at(-1) ?? usable.find(isMine) ?? usable[0]
}

/** The next steps: publish a key that signs after `delay` seconds, and delete keys that verify nothing more. */
export type Plan<Key> = { publish: { delay: number } | undefined; expired: Key[] }

type PlanOptions = {
  algorithm: Algorithm
  /** How long a key signs, in seconds. */
  rotation: number
  now: number
}

/**
 * Plans the next key: it must be published `leadTime` before the current key has signed for `rotation`, or
 * retires for another algorithm. A new key signs at once only if no other key can sign.
 */
export function planOf<Key extends DatedKey & Life>(
  keys: Key[],
  { algorithm, rotation, now }: PlanOptions,
): Plan<Key> {
  const expired = keys.filter(({ until }) => Math.max(until['at+jwt'], until['rt+jwt']) <= now)
  const last = keys.findLast((key) => key.algorithm === algorithm)
  const due = last ? Math.min(last.signsFrom + rotation * 1_000, last.retiresAt) : 0
  if (now < due - leadTime * 1_000) return { publish: undefined, expired }
  const isAnother = keys.some(
    (key) => isUsable(key, algorithm) && key.signsFrom <= now && now < key.retiresAt,
  )
  return { publish: { delay: isAnother ? leadTime : 0 }, expired }
}
