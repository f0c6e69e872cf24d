import type { Algorithm, TokenType } from '@gatehouse/verify/protocol'
import type { FastifyBaseLogger } from 'fastify'
import { createBatcher } from '../../concurrency/batch.js'
import type { Clock } from '../../concurrency/clock.js'
import { AppError } from '../../errors.js'
import { eternal, isUsable, livesOf, oldRefreshUntil, signerOf } from '../../config/key-life.js'
import type { Life, Lifetimes } from '../../config/key-life.js'
import { secretKey } from './key-pair.js'
import type { KeyRepository, RingState, StoredKeys } from './key-repository.js'
import { prepareKey, type Key, type KeyOptions, type Verification } from './key.js'

type Options = KeyOptions & {
  algorithm: Algorithm
  /** JWT_SECRET, the HS256 secret of the configuration. With it no key is stored or rotated. */
  secret?: string | undefined
  lifetimes: Lifetimes
  keys: KeyRepository
  log: FastifyBaseLogger
  clock: Clock
}

type Verifying = Map<string, Verification & { until: number }>

/** The loaded keys. `readAt` is the monotonic time of the load in milliseconds. */
type Ring = {
  keys: Map<string, Key & Life>
  /** By `kid`. `until` is in milliseconds since 1970 by the clock of the database. */
  verifying: Record<TokenType, Verifying>
  stored: StoredKeys
  readAt: number
}

/**
 * Holds the keys that sign and verify tokens, by `kid`. A token's header can name only these keys. The
 * clock is the database's, so all instances change keys at the same time.
 */
export async function createKeyring(options: Options) {
  const { algorithm, secret, lifetimes, keys, log, clock } = options
  const fixed = algorithm === 'HS256' && secret ? prepareKey(secretKey(secret), options) : undefined
  const listeners: (() => void)[] = []
  /** Keys that were removed while this instance ran. A failover may bring them back; they stay refused. */
  const removed = new Set<string>()
  let ring = fixed ? await loadFixed(fixed) : await load()

  /**
   * Loads the keys and unseals those that it does not have yet. A key that cannot be unsealed fails the
   * first load; later loads skip it.
   */
  async function load(known?: Ring): Promise<Ring> {
    const stored = await keys.load()
    if (known) rememberRemoved(known.stored, stored)
    const ready = new Map<string, Key>()
    const remaining = stored.keys.filter(({ kid }) => !removed.has(kid))
    for (const key of remaining.filter((found) => isUsable(found, algorithm))) {
      try {
        ready.set(key.kid, known?.keys.get(key.kid) ?? prepareKey(keys.open(key), options))
      } catch (err) {
        if (!known) throw err
        log.error({ err, kid: key.kid }, 'signing key not usable, skipped')
      }
    }
    const readable = remaining.filter((key) => ready.has(key.kid) || !isUsable(key, algorithm))
    const living = livesOf(readable, lifetimes).flatMap(({ kid, signsFrom, retiresAt, until }) => {
      const key = ready.get(kid)
      return key ? [{ ...key, signsFrom, retiresAt, until }] : []
    })
    return ringOf(living, stored, lifetimes, clock.monotonic())
  }

  async function loadFixed(key: Key): Promise<Ring> {
    const stored = { ...(await keys.state()), keys: [] }
    return ringOf([{ ...key, ...eternal }], stored, lifetimes, clock.monotonic())
  }

  /** Remembers removed keys, unless the history changed: then a missing key may be lost, not removed. */
  function rememberRemoved(before: StoredKeys, { history, keys: present }: StoredKeys): void {
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

  /** Callers that arrive during a load share one further load: the running one may predate their change. */
  const swapTogether = createBatcher(
    async (callers: undefined[]) => {
      await swap()
      return callers
    },
    { maxRunning: 1, maxItems: Infinity, maxWait: Infinity },
  )
  const reload = async (): Promise<void> => (fixed ? undefined : swapTogether(undefined))

  async function follow({
    history,
    revision,
    now,
  }: Pick<RingState, 'history' | 'revision' | 'now'>): Promise<void> {
    if (fixed) return
    const { stored } = ring
    if (history !== stored.history || revision !== stored.revision) return reload()
    ring = { ...ring, stored: { ...ring.stored, now }, readAt: clock.monotonic() }
  }

  const now = () => ring.stored.now + clock.monotonic() - ring.readAt

  return {
    /** Returns the key that signs new tokens. @throws AppError `unavailable` if no key can sign at present */
    current(): Key {
      const key = signerOf([...ring.keys.values()], algorithm, now())
      if (!key) throw new AppError('unavailable')
      return key
    },

    /** False if this instance has no key to sign with, such as when KEYS_SECRET was changed while it ran. */
    canSign: (): boolean => signerOf([...ring.keys.values()], algorithm, now()) !== undefined,

    /** Finds the key that verifies tokens of a type. Returns undefined after the end of its life. */
    find(kid: string, type: TokenType): Verification | undefined {
      const found = ring.verifying[type].get(kid)
      return found && now() < found.until ? found : undefined
    },

    /** All algorithms that the keys may ever have while this instance runs. */
    algorithms: allAlgorithms.filter((name) => isUsable({ algorithm: name }, algorithm)),

    /** The JWK set (RFC 7517 §5): the public keys that a valid access token may need. */
    jwks() {
      const time = now()
      const listed = [...ring.keys.values()].filter(({ until }) => time < until['at+jwt'])
      return { keys: listed.flatMap(({ jwk }) => jwk ?? []) }
    },

    /** The revision of the loaded keys. */
    get revision(): number {
      return ring.stored.revision
    },

    /** The loaded keys with the present time of the database; undefined with JWT_SECRET. */
    snapshot: (): StoredKeys | undefined => (fixed ? undefined : { ...ring.stored, now: now() }),

    /** The removed keys that are in the database again, for example because a failover lost their removal. */
    returned: (): string[] =>
      ring.stored.keys.flatMap(({ kid }) => (removed.has(kid) ? [kid] : [])),

    /** Calls `listener` when a key was added or removed. */
    onChange: (listener: () => void): void => void listeners.push(listener),

    /** Loads the keys again. @throws AppError `unavailable`; then the keys stay as they are */
    reload,

    /** Reads the state of the keys, and loads them if it changed. It also corrects the clock. */
    poll: async (): Promise<void> => (fixed ? undefined : follow(await keys.state())),

    /** Does as `poll`, with a state that the caller has read. */
    follow,
  }
}

export type Keyring = Awaited<ReturnType<typeof createKeyring>>

const allAlgorithms: Algorithm[] = ['ES256', 'EdDSA', 'RS256', 'HS256']

/** Access tokens name a signing key by `kid`; tokens of the other types name the key derived from it for the type. */
function ringOf(
  keys: (Key & Life)[],
  stored: StoredKeys,
  lifetimes: Lifetimes,
  readAt: number,
): Ring {
  const oldUntil = oldRefreshUntil(stored.refresh_keys_since, lifetimes)
  const access: Verifying = new Map()
  const refresh: Verifying = new Map()
  const forwardAuth: Verifying = new Map()
  for (const { verification, oldRefresh, until } of keys) {
    const { 'at+jwt': at, 'rt+jwt': rt, 'fa+jwt': fa } = verification
    access.set(at.kid, { ...at, until: until['at+jwt'] })
    refresh.set(rt.kid, { ...rt, until: until['rt+jwt'] })
    forwardAuth.set(fa.kid, { ...fa, until: until['fa+jwt'] })
    refresh.set(oldRefresh.kid, { ...oldRefresh, until: Math.min(until['rt+jwt'], oldUntil) })
  }
  return {
    keys: new Map(keys.map((key) => [key.kid, key])),
    verifying: { 'at+jwt': access, 'rt+jwt': refresh, 'fa+jwt': forwardAuth },
    stored,
    readAt,
  }
}
