import type { Algorithm, TokenType } from '@gatehouse/verify/protocol'
import type { FastifyBaseLogger } from 'fastify'
import { AppError } from '../../errors.js'
import { eternal, isUsable, livesOf, oldRefreshUntil, signerOf } from '../../config/key-life.js'
import type { Life, Lifetimes } from '../../config/key-life.js'
import { secretKey } from './key-pair.js'
import type { KeyRepository, RingState, StoredKeys } from './key-repository.js'
import { prepareKey, type Key, type KeyOptions, type Verification } from './key.js'

type Options = KeyOptions & {
  algorithm: Algorithm
  /** The HS256 secret from the configuration, if there is one: then nothing is stored or rotated. */
  secret?: string | undefined
  lifetimes: Lifetimes
  keys: KeyRepository
  log: FastifyBaseLogger
}

type Verifying = Map<string, Verification & { until: number }>

/** What was loaded, and when by our own clock, which may be wrong and yet goes about as fast. */
type Ring = {
  keys: Map<string, Key & Life>
  /** By the `kid` that a header names; `until` in milliseconds by the clock of the database. */
  verifying: Record<TokenType, Verifying>
  stored: StoredKeys
  readAt: number
}

/**
 * The keys that sign and verify tokens, by `kid`. A header can only name one of them. The clock is
 * the database's: all instances change keys at the same time.
 */
export async function createKeyring(options: Options) {
  const { algorithm, secret, lifetimes, keys, log } = options
  const fixed = algorithm === 'HS256' && secret ? prepareKey(secretKey(secret), options) : undefined
  const listeners: (() => void)[] = []
  /** Keys that were removed while this instance ran. A failover may bring them back; they stay dead. */
  const removed = new Set<string>()
  let ring = fixed ? await loadFixed(fixed) : await load()
  let running: Promise<void> | undefined
  let queued: Promise<void> | undefined

  /** Keys that are known already are not opened again. One that cannot be opened hides no other. */
  async function load(known?: Ring): Promise<Ring> {
    const stored = await keys.load()
    if (known) noteRemoved(known.stored, stored)
    const ready = new Map<string, Key>()
    const remaining = stored.keys.filter(({ kid }) => !removed.has(kid))
    for (const key of remaining.filter((found) => isUsable(found, algorithm))) {
      try {
        ready.set(key.kid, known?.keys.get(key.kid) ?? prepareKey(keys.open(key), options))
      } catch (err) {
        if (!known) throw err
        log.error({ err, kid: key.kid }, 'a signing key cannot be used')
      }
    }
    const there = remaining.filter((key) => ready.has(key.kid) || !isUsable(key, algorithm))
    const living = livesOf(there, lifetimes).flatMap(({ kid, signsFrom, retiresAt, until }) => {
      const key = ready.get(kid)
      return key ? [{ ...key, signsFrom, retiresAt, until }] : []
    })
    return ringOf(living, stored, lifetimes)
  }

  async function loadFixed(key: Key): Promise<Ring> {
    return ringOf([{ ...key, ...eternal }], { ...(await keys.state()), keys: [] }, lifetimes)
  }

  /** Not across a change of the history: what the new one lacks may never have been removed. */
  function noteRemoved(before: StoredKeys, { history, keys: present }: StoredKeys): void {
    if (before.history !== history) return
    const kids = new Set(present.map(({ kid }) => kid))
    for (const { kid } of before.keys) if (!kids.has(kid)) removed.add(kid)
  }

  async function swap(): Promise<void> {
    const before = ring
    ring = await load(before)
    const isSame =
      ring.keys.size === before.keys.size &&
      [...ring.keys.keys()].every((kid) => before.keys.has(kid))
    if (!isSame) listeners.forEach((listener) => listener())
  }

  /** Of who asks during a load, all wait for one more: theirs may have begun before the change. */
  async function reload(): Promise<void> {
    if (fixed) return
    if (!running) {
      running = swap().finally(() => (running = undefined))
      return running
    }
    const after = () => {
      queued = undefined
      return reload()
    }
    queued ??= running.then(after, after)
    return queued
  }

  async function follow({
    history,
    revision,
    now,
  }: Pick<RingState, 'history' | 'revision' | 'now'>): Promise<void> {
    if (fixed) return
    const { stored } = ring
    if (history !== stored.history || revision !== stored.revision) return reload()
    ring = { ...ring, stored: { ...ring.stored, now }, readAt: performance.now() }
  }

  const now = () => ring.stored.now + performance.now() - ring.readAt

  return {
    /**
     * Signs new tokens.
     * @throws AppError `unavailable` when there is none, which lasts until the next is made
     */
    current(): Key {
      const key = signerOf([...ring.keys.values()], algorithm, now())
      if (!key) throw new AppError('unavailable')
      return key
    },

    /** False where no stored key can be opened: KEYS_SECRET was changed elsewhere. */
    canSign: (): boolean => signerOf([...ring.keys.values()], algorithm, now()) !== undefined,

    /** What a header of that type names by `kid`, for as long as it verifies. */
    find(kid: string, type: TokenType): Verification | undefined {
      const found = ring.verifying[type].get(kid)
      return found && now() < found.until ? found : undefined
    },

    /** All that may ever be in use here: reloading adds none. */
    algorithms: possible.filter((name) => isUsable({ algorithm: name }, algorithm)),

    /** The JWK set (RFC 7517 §5), public members only: as long as an access token may need them. */
    jwks() {
      const time = now()
      const listed = [...ring.keys.values()].filter(({ until }) => time < until['at+jwt'])
      return { keys: listed.flatMap(({ jwk }) => jwk ?? []) }
    },

    /** What is loaded of the changes of the keys. */
    get revision(): number {
      return ring.stored.revision
    },

    /** What is loaded, and what time it is now in the database; undefined where nothing is stored. */
    snapshot: (): StoredKeys | undefined => (fixed ? undefined : { ...ring.stored, now: now() }),

    /** Removed keys that the database holds again, as after a failover that lost their removal. */
    returned: (): string[] =>
      ring.stored.keys.flatMap(({ kid }) => (removed.has(kid) ? [kid] : [])),

    /** `listener` is called when other keys verify than before. */
    onChange: (listener: () => void): void => void listeners.push(listener),

    /**
     * Reads the keys anew.
     * @throws AppError `unavailable`; then the keys stay as they are
     */
    reload,

    /** The same, where they have changed; and sets our clock, which the database's may run away from. */
    poll: async (): Promise<void> => (fixed ? undefined : follow(await keys.state())),

    /** The same, for who knows already how the keys stand. */
    follow,
  }
}

export type Keyring = Awaited<ReturnType<typeof createKeyring>>

const possible: Algorithm[] = ['ES256', 'EdDSA', 'RS256', 'HS256']

/** Access tokens name a signing key, refresh tokens the key derived from it. */
function ringOf(keys: (Key & Life)[], stored: StoredKeys, lifetimes: Lifetimes): Ring {
  const oldUntil = oldRefreshUntil(stored.refresh_keys_since, lifetimes)
  const access: Verifying = new Map()
  const refresh: Verifying = new Map()
  for (const { verification, oldRefresh, until } of keys) {
    const [at, rt] = [verification['at+jwt'], verification['rt+jwt']]
    access.set(at.kid, { ...at, until: until['at+jwt'] })
    refresh.set(rt.kid, { ...rt, until: until['rt+jwt'] })
    refresh.set(oldRefresh.kid, { ...oldRefresh, until: Math.min(until['rt+jwt'], oldUntil) })
  }
  return {
    keys: new Map(keys.map((key) => [key.kid, key])),
    verifying: { 'at+jwt': access, 'rt+jwt': refresh },
    stored,
    readAt: performance.now(),
  }
}
