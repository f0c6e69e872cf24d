import type { Algorithm, TokenType } from '@gatehouse/verify/protocol'

/** For how long others may keep the JWK set; in seconds, like all that follows. */
export const jwksMaxAge = 300

/**
 * For how long a key is published before it signs. More than the set may be kept: some verifiers
 * keep it for longer than they are told, and an instance may hear of a key late.
 */
export const leadTime = 900

/** By how much clocks may differ, and instances be late to stop signing with a retired key. */
const leeway = 120

/** For how long an instance may still run with the algorithm from before a change of it. */
const changeTime = 86_400

/** What the times of a key follow from. They are ISO 8601, by the clock of the database. */
export type DatedKey = { kid: string; algorithm: Algorithm; created_at: string; signs_from: string }

/** Times in milliseconds by the clock of the database; `until` is when it no longer verifies. */
export type Life = { signsFrom: number; retiresAt: number; until: Record<TokenType, number> }

/** In seconds. */
export type Lifetimes = { accessTtl: number; refreshTtl: number }

/** Of a key that nobody rotates. */
export const eternal: Life = {
  signsFrom: 0,
  retiresAt: Infinity,
  until: { 'at+jwt': Infinity, 'rt+jwt': Infinity },
}

/**
 * A key signs until the next one of its algorithm does. The last one of another algorithm signs for
 * a while longer, since not all instances change at once. Retired, it verifies what it may have
 * signed: access tokens as long as they live, and the refresh tokens of every session from before.
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
    const until = { 'at+jwt': verifiesFor(accessTtl), 'rt+jwt': verifiesFor(refreshTtl) }
    return { ...key, signsFrom: startOf(key), retiresAt, until }
  })
}

/**
 * Until when refresh tokens signed by a ring key itself may be alive. For a day after the change an
 * instance of the release before may still issue them. Times in milliseconds.
 * @param since when refresh tokens got keys of their own; null where there was no session before
 */
export const oldRefreshUntil = (since: number | null, { refreshTtl }: Lifetimes): number =>
  since === null ? -Infinity : since + (changeTime + refreshTtl + leeway) * 1_000

const startOf = ({ signs_from }: DatedKey) => Date.parse(signs_from)

/** A secret and public keys are never in use together (RFC 8725 §3.1). */
export const isUsable = (key: { algorithm: Algorithm }, algorithm: Algorithm) =>
  (key.algorithm === 'HS256') === (algorithm === 'HS256')

/**
 * The key that signs: the newest of the algorithm whose time has come; else the newest of another,
 * while the first of a new algorithm is only published; else what there is.
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

/** What is to be done: a key that signs after so many seconds, and keys that verify nothing more. */
export type Plan<Key> = { publish: { delay: number } | undefined; expired: Key[] }

type PlanOptions = {
  algorithm: Algorithm
  /** How long a key signs, in seconds. */
  rotation: number
  now: number
}

/**
 * The next key is due before the present one has signed for its time, or gives way to one of another
 * algorithm. A key signs without having been published only where no other can.
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
