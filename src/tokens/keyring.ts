import { createSigner, createVerifier } from 'fast-jwt'
import type { FastifyBaseLogger } from 'fastify'
import type { JsonWebKey } from 'node:crypto'
import { AppError } from '../errors.js'
import type { RefreshClaims, AccessClaims, TokenType } from './claims.js'
import { eternal, isUsable, livesOf, signerOf, type Life, type Lifetimes } from './key-life.js'
import { secretKey, verificationKey, type Algorithm, type KeyPair } from './key-pair.js'
import type { KeyRepository, StoredKeys } from './key-repository.js'

type Options = {
  algorithm: Algorithm
  /** The HS256 secret from the configuration, if there is one: then nothing is stored or rotated. */
  secret?: string | undefined
  issuer: string
  audience: string
  lifetimes: Lifetimes
  keys: KeyRepository
  log: FastifyBaseLogger
}

/** A key ready for use: what it costs to read a PEM is paid once. */
export type Key = {
  kid: string
  algorithm: Algorithm
  verificationKey: string
  jwk: JsonWebKey | undefined
  sign: Record<TokenType, (claims: Partial<AccessClaims | RefreshClaims>) => string>
  verify: Record<TokenType, (token: string) => unknown>
  /** What says which tokens are revoked (revocations/); it is for whoever verifies ours. */
  signRevocations: (claims: object) => string
}

/** What was loaded, and when by our own clock, which may be wrong and yet goes about as fast. */
type Ring = { keys: Map<string, Key & Life>; stored: StoredKeys; readAt: number }

/**
 * The keys that sign and verify tokens, by `kid`. A header can only name one of them. The clock is
 * the database's: all instances change keys at the same time.
 */
export async function createKeyring(options: Options) {
  const { algorithm, secret, lifetimes, keys, log } = options
  const fixed = algorithm === 'HS256' && secret ? prepareKey(secretKey(secret), options) : undefined
  const listeners: (() => void)[] = []
  let ring = fixed ? ringOf(fixed) : await load()
  let running: Promise<void> | undefined
  let queued: Promise<void> | undefined

  /** Keys that are known already are not opened again. One that cannot be opened hides no other. */
  async function load(known?: Ring): Promise<Ring> {
    const stored = await keys.load()
    const readAt = performance.now()
    const ready = new Map<string, Key>()
    for (const key of stored.keys.filter((found) => isUsable(found, algorithm))) {
      try {
        ready.set(key.kid, known?.keys.get(key.kid) ?? prepareKey(keys.open(key), options))
      } catch (err) {
        if (!known) throw err
        log.error({ err, kid: key.kid }, 'a signing key cannot be used')
      }
    }
    const there = stored.keys.filter((key) => ready.has(key.kid) || !isUsable(key, algorithm))
    const entries = livesOf(there, lifetimes).flatMap((life): [string, Key & Life][] => {
      const { kid, signsFrom, retiresAt, until } = life
      const key = ready.get(kid)
      return key ? [[kid, { ...key, signsFrom, retiresAt, until }]] : []
    })
    return { keys: new Map(entries), stored, readAt }
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

  async function follow({ revision, now }: Pick<StoredKeys, 'revision' | 'now'>): Promise<void> {
    if (fixed) return
    if (revision !== ring.stored.revision) return reload()
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

    /** The key of that name, as long as it verifies tokens of that type. */
    find(kid: string, type: TokenType): Key | undefined {
      const key = ring.keys.get(kid)
      return key && now() < key.until[type] ? key : undefined
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

    /** `listener` is called when other keys verify than before. */
    onChange: (listener: () => void): void => void listeners.push(listener),

    /**
     * Reads the keys anew.
     * @throws AppError `unavailable`; then the keys stay as they are
     */
    reload,

    /** The same, where they have changed; and sets our clock, which the database's may run away from. */
    poll: async (): Promise<void> => (fixed ? undefined : follow(await keys.revision())),

    /** The same, for who knows already how the keys stand. */
    follow,
  }
}

export type Keyring = Awaited<ReturnType<typeof createKeyring>>

const possible: Algorithm[] = ['ES256', 'EdDSA', 'RS256', 'HS256']

function ringOf(key: Key): Ring {
  const keys = new Map([[key.kid, { ...key, ...eternal }]])
  return { keys, stored: { revision: 0, now: 0, keys: [] }, readAt: 0 }
}

function prepareKey(key: KeyPair, { issuer, audience }: Pick<Options, 'issuer' | 'audience'>): Key {
  const { kid, public_jwk } = key
  const publicKey = verificationKey(key)
  const signer = (typ: string, aud?: string) =>
    createSigner({
      key: key.private_key,
      algorithm: key.algorithm,
      kid,
      header: { alg: key.algorithm, typ },
      iss: issuer,
      ...(aud !== undefined && { aud }),
    })
  const verifier = (typ: TokenType) =>
    createVerifier({
      key: publicKey,
      ...verifyOptions(typ, [key.algorithm], { issuer, audience }),
    })
  return {
    kid,
    algorithm: key.algorithm,
    verificationKey: publicKey,
    jwk: public_jwk ? { ...public_jwk, kid, alg: key.algorithm, use: 'sig' } : undefined,
    sign: { 'at+jwt': signer('at+jwt', audience), 'rt+jwt': signer('rt+jwt', audience) },
    verify: { 'at+jwt': verifier('at+jwt'), 'rt+jwt': verifier('rt+jwt') },
    signRevocations: signer('revocations+jwt'),
  }
}

/** What the library checks of every token; areClaims() checks the rest. */
export function verifyOptions(
  typ: TokenType,
  algorithms: Algorithm[],
  { issuer, audience }: { issuer: string; audience: string },
) {
  return {
    algorithms,
    allowedIss: issuer,
    allowedAud: audience,
    checkTyp: typ,
    requiredClaims: ['iss', 'aud', 'sub', 'jti', 'sid', 'iat', 'exp'],
    errorCacheTTL: -1,
  }
}
