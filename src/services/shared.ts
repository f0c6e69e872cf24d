import type { FastifyBaseLogger } from 'fastify'
import { v7 as uuidv7 } from 'uuid'
import { systemClock, type Clock } from '../concurrency/clock.js'
import type { Config } from '../config/load.js'
import type { Pool } from '../db/pool.js'
import { createLiveKeys } from '../features/api-keys/live-keys.js'
import { createKeyLookup } from '../features/api-keys/lookup.js'
import { createDeviceMarks } from '../features/limits/device.js'
import { createReplica } from '../features/denylist/replica.js'
import { createRestorer } from '../features/denylist/restorer.js'
import { createLimits } from '../features/limits/limits.js'
import { createHashing, type Hashing } from '../features/passwords/child-process.js'
import { createFailureDelay } from '../features/passwords/failure-delay.js'
import { createPasswordHasher } from '../features/passwords/hash.js'
import { rememberKeys } from '../features/passwords/remembered-keys.js'
import { createLanes } from '../concurrency/lanes.js'
import { createPasswordPolicy } from '../features/passwords/policy.js'
import { createStore } from '../store.js'
import { createIssuedTokens } from '../features/tokens/issued.js'
import { createKeyring } from '../features/tokens/keyring.js'
import { createConfiguredRotation, hasFixedKey } from '../features/tokens/configured-rotation.js'
import { createTokenService } from '../features/tokens/service.js'

export type Dependencies = {
  db: Pool
  /** A direct connection to PostgreSQL, without a pooler: the denylist listens there. */
  listenUrl: string
  /** KEYS_SECRET: encrypts the signing keys, and derives the key of every other hash and signature. */
  keysSecret: string
  log: FastifyBaseLogger
  /** Logs each request at `info`, for a person at a terminal. */
  logsRequests?: boolean
  clock?: Clock
  newId?: () => string
  hashing?: Hashing
  /** How often an instance checks whether the signing keys have changed, in milliseconds. */
  keyCheckInterval?: number
}

type Hooks = {
  /** Called after a message was added to the outbox. */
  onMessage: () => void
}

/** Creates what the other services share: the store, the denylist, keys, limits and passwords. */
export async function createSharedServices(
  config: Config,
  dependencies: Dependencies,
  { onMessage }: Hooks,
) {
  const { db, listenUrl, keysSecret, log, clock = systemClock, newId = uuidv7 } = dependencies
  const issuer = config.JWT_ISSUER
  const accessTtl = config.ACCESS_TOKEN_TTL
  const refreshTtl = config.REFRESH_TOKEN_TTL

  // The clocks of instances may differ, so a denial outlives the token by two minutes.
  const denyFor = accessTtl + 120
  const store = createStore(db, {
    denyFor,
    idleTtl: config.SESSION_IDLE_TTL,
    grace: config.REFRESH_GRACE,
    mode: config.MFA,
    keysSecret,
    publicUrl: config.PUBLIC_URL,
    newId,
    onMessage,
    onDenied: (denials) => denylist.add(denials),
    onDoubt: (denials) => denylist.markUncertain(denials),
  })

  const replica = createReplica({
    db,
    repository: store.denylist,
    listenUrl: config.DENYLIST_SYNC === 'listen' ? listenUrl : undefined,
    denyFor,
    log,
    clock,
    onDelta: ({ history, keys, at }) => keyring.follow({ history, revision: keys, now: at }),
    onLost: (denials) => restorer.restore(denials),
  })
  const { denylist } = replica
  const restorer = createRestorer({
    denylist: store.denylist,
    sessions: store.sessions,
    apiKeys: store.apiKeys,
    log,
    clock,
  })

  const rotation = createConfiguredRotation(config, store)
  if (!hasFixedKey(config)) await rotation.ensure()
  const keyring = await createKeyring({
    algorithm: config.JWT_ALGORITHM,
    secret: config.JWT_SECRET,
    issuer,
    audience: config.JWT_AUDIENCE,
    keysSecret,
    lifetimes: { accessTtl, refreshTtl },
    keys: store.keys,
    log,
    clock,
  })
  const issued = createIssuedTokens()
  keyring.onChange(issued.clear)
  const tokens = createTokenService({
    keyring,
    issued,
    issuer,
    accessTtl,
    refreshTtl,
    clock,
    newId,
  })

  const keyLookup = createKeyLookup({
    keys: store.apiKeys,
    issuer,
    audience: config.JWT_AUDIENCE,
    ttl: accessTtl,
    clock,
  })

  const findLiveKey = createLiveKeys({ lookup: keyLookup, denylist })

  const limits = createLimits(store.counters, {
    enabled: config.RATE_LIMIT === 'on',
    budgets: {
      login: config.RATE_LIMIT_LOGIN,
      register: config.RATE_LIMIT_REGISTER,
      forgot: config.RATE_LIMIT_FORGOT,
      codes: config.RATE_LIMIT_CODES,
      refresh: config.RATE_LIMIT_REFRESH,
      clients: config.RATE_LIMIT_CLIENTS,
    },
    attested: config.RATE_LIMIT_ATTESTED,
    uploads: config.RATE_LIMIT_UPLOADS,
    log,
    clock,
  })
  const devices = createDeviceMarks(keysSecret, clock)

  const failureDelay = createFailureDelay({
    listSchemes: () => store.users.listPasswordSchemes(),
    clock,
  })
  const lanes = createLanes({ lanes: config.HASH_LANES, queue: config.HASH_QUEUE })
  const { hashing = createHashing({ threads: config.HASH_LANES, log }) } = dependencies
  const parameters = {
    memory: config.ARGON2_MEMORY,
    iterations: config.ARGON2_ITERATIONS,
    parallelism: config.ARGON2_PARALLELISM,
  }
  const passwords = createPasswordHasher(lanes, parameters, hashing, {
    findKey: rememberKeys((id) => store.importKeys.find(id)),
    onVerified: (scheme, elapsed) => failureDelay.note(scheme, elapsed),
  })
  const policy = createPasswordPolicy(config.PASSWORD_MIN_LENGTH)

  return {
    clock,
    denylist,
    devices,
    failureDelay,
    issued,
    findLiveKey,
    keyring,
    lanes,
    limits,
    newId,
    passwords,
    policy,
    replica,
    restorer,
    rotation,
    store,
    tokens,
  }
}

export type SharedServices = Awaited<ReturnType<typeof createSharedServices>>
