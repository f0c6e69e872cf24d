import type { FastifyBaseLogger } from 'fastify'
import { setTimeout as sleep } from 'node:timers/promises'
import { v7 as uuidv7 } from 'uuid'
import { createAccountService } from './features/registration/service.js'
import { createDenials } from './features/audit/denials.js'
import { createAdministrationService } from './features/administration/service.js'
import { createClientService } from './features/clients/service.js'
import { createCodeSecrets } from './features/codes/secrets.js'
import { createCodeService } from './features/codes/service.js'
import type { Config } from './config/load.js'
import type { Pool } from './db/pool.js'
import { createDeviceMarks } from './features/limits/device.js'
import { createReplica } from './features/denylist/replica.js'
import { createRestorer } from './features/denylist/restorer.js'
import { createLimits } from './features/limits/limits.js'
import { createMailService } from './features/messages/service.js'
import {
  createLogTransport,
  createSmsTransport,
  createSmtpTransport,
} from './features/messages/transports.js'
import { createOutboxWorker } from './features/messages/worker.js'
import { createOAuthService } from './features/oauth/service.js'
import { createPasswordHasher } from './features/passwords/hash.js'
import { createLanes } from './concurrency/lanes.js'
import { createPasswordPolicy } from './features/passwords/policy.js'
import { createRevocations } from './features/revocations/service.js'
import { createRoleService } from './features/roles/service.js'
import { createReauthentication } from './features/passwords/reauthentication.js'
import { createLogins } from './features/sessions/logins.js'
import { createSessionService } from './features/sessions/service.js'
import { createUsage } from './features/sessions/usage.js'
import { createIdentityService } from './features/identities/identities.js'
import { createOwners } from './features/identities/owners.js'
import { createProviders } from './features/identities/providers.js'
import { createSocialService } from './features/identities/service.js'
import { createTransactions } from './features/identities/transactions.js'
import { createStore, type Store } from './store.js'
import { createKeyring } from './features/tokens/keyring.js'
import { createKeyRotation } from './features/tokens/rotation.js'
import { createTokenService } from './features/tokens/service.js'
import { createConverter } from './features/uploads/converter.js'
import { createUploadService } from './features/uploads/service.js'
import { addressKinds } from './features/identifiers/identifiers.js'
import { createUserService } from './features/users/service.js'

export type Dependencies = {
  db: Pool
  /** Where the denylist is told of news: PostgreSQL itself, no pooler. */
  listenUrl: string
  /** Seals the signing keys, and keys every hash and signature that is not a token's. */
  keysSecret: string
  log: FastifyBaseLogger
  now?: () => Date
  newId?: () => string
  /** How often an instance looks whether the keys have changed, in milliseconds. */
  keysEvery?: number
}

/** Every service, wired: what the server puts behind HTTP and the command line calls as it is. */
export async function createServices(config: Config, dependencies: Dependencies) {
  const { db, listenUrl, keysSecret, log, now = () => new Date(), newId = uuidv7 } = dependencies
  const issuer = config.JWT_ISSUER
  const audience = config.JWT_AUDIENCE
  const accessTtl = config.ACCESS_TOKEN_TTL
  const refreshTtl = config.REFRESH_TOKEN_TTL

  const denyFor = accessTtl + 120 // by more than clocks may differ
  const store = createStore(db, {
    denyFor,
    idleTtl: config.SESSION_IDLE_TTL,
    grace: config.REFRESH_GRACE,
    keysSecret,
    publicUrl: config.PUBLIC_URL,
    newId,
    onMessage: () => outboxWorkers.forEach(({ wake }) => wake()),
    onDenied: (denials) => denylist.add(denials),
    onDoubt: (denials) => denylist.doubt(denials),
  })

  const replica = createReplica({
    db,
    repository: store.denylist,
    listenUrl: config.DENYLIST_SYNC === 'listen' ? listenUrl : undefined,
    denyFor,
    log,
    onHeard: ({ history, keys, at }) => keyring.follow({ history, revision: keys, now: at }),
    onLost: (denials) => restorer.restore(denials),
  })
  const { denylist } = replica
  const restorer = createRestorer({
    denylist: store.denylist,
    sessions: store.sessions,
    log,
    sleep: (ms) => sleep(ms, undefined, { ref: false }),
  })

  const rotation = createRotation(config, store)
  if (!hasFixedKey(config)) await rotation.ensure()
  const keyring = await createKeyring({
    algorithm: config.JWT_ALGORITHM,
    secret: config.JWT_SECRET,
    issuer,
    audience,
    keysSecret,
    lifetimes: { accessTtl, refreshTtl },
    keys: store.keys,
    log,
  })
  const tokens = createTokenService({
    keyring,
    issuer,
    accessTtl,
    refreshTtl,
    now,
    newId,
  })

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
    uploads: config.RATE_LIMIT_UPLOADS,
    log,
  })
  const devices = createDeviceMarks(keysSecret, now)

  const lanes = createLanes({ lanes: config.HASH_LANES, queue: config.HASH_QUEUE })
  const passwords = createPasswordHasher(lanes, {
    memory: config.ARGON2_MEMORY,
    iterations: config.ARGON2_ITERATIONS,
    parallelism: config.ARGON2_PARALLELISM,
  })
  const policy = createPasswordPolicy(config.PASSWORD_MIN_LENGTH)

  const codes = createCodeService({ store, secrets: createCodeSecrets(keysSecret), newId })
  const transports = createTransports(config, log, now)
  const { deliver } = createMailService({
    store,
    codes,
    limits,
    devices,
    transports,
    log,
    appName: config.APP_NAME,
    publicUrl: config.PUBLIC_URL,
  })
  const outboxWorkers = addressKinds.map((kind) =>
    createOutboxWorker({ kind, outbox: store.outbox, deliver, log }),
  )

  const isRequired = config.ACTIVATION === 'required'
  const reauthentication = createReauthentication({ store, passwords, limits })
  const usage = createUsage(store)
  const logins = createLogins({
    tokens,
    devices,
    newId,
    refreshTtl,
    maxSessions: config.SESSIONS_PER_USER,
  })
  const sessions = createSessionService({
    store,
    passwords,
    tokens,
    limits,
    devices,
    log,
    usage,
    logins,
    grace: config.REFRESH_GRACE,
  })
  const providers = createProviders(config, now)
  const identities = createIdentityService({
    store,
    logins,
    reauthentication,
    owners: createOwners({ activation: isRequired, newId }),
    providers,
  })
  const social = createSocialService({
    store,
    providers,
    transactions: createTransactions(keysSecret, now, newId),
    identities,
  })
  const accounts = createAccountService({
    store,
    codes,
    passwords,
    policy,
    limits,
    devices,
    registration: { activation: isRequired, discreet: isRequired },
    now,
    newId,
  })
  const users = createUserService({
    store,
    codes,
    passwords,
    policy,
    reauthentication,
    limits,
    devices,
  })
  const revocations = createRevocations({ denylist: store.denylist, keyring, accessTtl })
  const roles = createRoleService({ store })
  const clients = createClientService({ store, limits, newId })
  const oauth = createOAuthService({ store, tokens, denylist, sessions, usage })
  const converter = createConverter({ log })
  const uploads = createUploadService({ store, converter })
  const administration = createAdministrationService({
    store,
    users,
    roles,
    passwords,
    policy,
    newId,
  })

  return {
    accounts,
    administration,
    audit: store.audit,
    clients,
    converter,
    denials: createDenials({ audit: store.audit, log, now: () => now().getTime() }),
    denylist,
    identities,
    keyring,
    lanes,
    limits,
    oauth,
    outboxWorkers,
    providers,
    replica,
    restorer,
    revocations,
    roles,
    rotation,
    sessions,
    social,
    store,
    transports,
    uploads,
    usage,
    users,
  }
}

export type Services = Awaited<ReturnType<typeof createServices>>

/** Signing keys without a keyring: the command line mends what no instance can start with. */
export function openRotation(config: Config, db: Pool, keysSecret: string) {
  const quiet = () => undefined
  const hooks = { onMessage: quiet, onDenied: quiet, onDoubt: quiet }
  const lifetimes = { denyFor: 0, idleTtl: 0, grace: config.REFRESH_GRACE }
  const store = createStore(db, {
    ...lifetimes,
    keysSecret,
    publicUrl: '',
    newId: uuidv7,
    ...hooks,
  })
  return createRotation(config, store)
}

/** Whether the configuration holds the one key that there is. */
export const hasFixedKey = ({ JWT_ALGORITHM, JWT_SECRET }: Config) =>
  JWT_ALGORITHM === 'HS256' && JWT_SECRET !== undefined

function createRotation(config: Config, store: Store) {
  return createKeyRotation({
    store,
    algorithm: config.JWT_ALGORITHM,
    rotation: config.KEY_ROTATION,
    lifetimes: { accessTtl: config.ACCESS_TOKEN_TTL, refreshTtl: config.REFRESH_TOKEN_TTL },
  })
}

/** Development writes to the log what has nowhere else to go; production drops it, and says so. */
function createTransports(config: Config, log: FastifyBaseLogger, now: () => Date) {
  const { MAIL_URL, MAIL_FROM, PUBLIC_URL, SMS_WEBHOOK_URL, SMS_WEBHOOK_SECRET = '' } = config
  const toLog = config.NODE_ENV === 'production' ? undefined : createLogTransport(log)
  const email =
    MAIL_URL === undefined || MAIL_URL === 'log'
      ? toLog
      : createSmtpTransport({ url: MAIL_URL, from: MAIL_FROM, host: new URL(PUBLIC_URL).hostname })
  const mobile =
    SMS_WEBHOOK_URL === undefined
      ? toLog
      : createSmsTransport({ url: SMS_WEBHOOK_URL, secret: SMS_WEBHOOK_SECRET, now })
  return { ...(email && { email }), ...(mobile && { mobile }) }
}
