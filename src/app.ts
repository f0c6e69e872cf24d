import type { FastifyBaseLogger } from 'fastify'
import { v7 as uuidv7 } from 'uuid'
import type { Config } from './config.js'
import type { Pool } from './db/pool.js'
import { createPasswordHasher } from './passwords/hash.js'
import { createLanes } from './passwords/lanes.js'
import { createPasswordPolicy } from './passwords/policy.js'
import { createAuthenticate, jwt } from './plugins/authenticate.js'
import { cookies, createSessionCookies } from './plugins/cookies.js'
import { errors } from './plugins/errors.js'
import { health } from './plugins/health.js'
import { housekeeping } from './plugins/housekeeping.js'
import { json } from './plugins/json.js'
import { openapi } from './plugins/openapi.js'
import { security } from './plugins/security.js'
import { createSessionRepository } from './sessions/repository.js'
import { loginRoutes, logoutRoutes } from './sessions/routes.js'
import { createSessionService } from './sessions/service.js'
import { createDenylist } from './tokens/denylist.js'
import { createKeyRepository } from './tokens/key-repository.js'
import { createKeyring } from './tokens/keyring.js'
import { wellKnownRoutes } from './tokens/routes.js'
import { createTokenService } from './tokens/service.js'
import { createServer } from './http.js'
import { createUserRepository } from './users/repository.js'
import { accountRoutes, userRoutes } from './users/routes.js'
import { createUserService } from './users/service.js'

type Dependencies = {
  db: Pool
  /** Seals the signing keys. */
  keysSecret: string
  log: FastifyBaseLogger
  now?: () => Date
  newId?: () => string
}

/** The composition root: read top to bottom, it is the architecture. */
export async function buildApp(config: Config, dependencies: Dependencies) {
  const { db, keysSecret, log, now = () => new Date(), newId = uuidv7 } = dependencies
  const issuer = config.JWT_ISSUER
  const audience = config.JWT_AUDIENCE
  const accessTtl = config.ACCESS_TOKEN_TTL
  const refreshTtl = config.REFRESH_TOKEN_TTL

  const app = createServer({ trustProxy: config.TRUST_PROXY, log })

  const keyring = await createKeyring({
    algorithm: config.JWT_ALGORITHM,
    secret: config.JWT_SECRET,
    issuer,
    audience,
    keys: createKeyRepository(db, keysSecret),
  })
  const tokens = createTokenService({
    keyring,
    issuer,
    audience,
    accessTtl,
    refreshTtl,
    now,
    newId,
  })
  const denylist = createDenylist(db)
  const lanes = createLanes({ lanes: config.HASH_LANES, queue: config.HASH_QUEUE })
  const passwords = createPasswordHasher(lanes, {
    memory: config.ARGON2_MEMORY,
    iterations: config.ARGON2_ITERATIONS,
    parallelism: config.ARGON2_PARALLELISM,
  })
  const policy = createPasswordPolicy(config.PASSWORD_MIN_LENGTH)
  const userRepository = createUserRepository(db)
  const users = createUserService({ users: userRepository, passwords, policy, newId })
  const sessionRepository = createSessionRepository(db)
  const sessions = createSessionService({
    sessions: sessionRepository,
    users: userRepository,
    passwords,
    tokens,
    log,
    newId,
    accessTtl,
    refreshTtl,
    grace: config.REFRESH_GRACE,
  })
  const sessionCookies = createSessionCookies({
    publicUrl: config.PUBLIC_URL,
    corsOrigins: config.CORS_ORIGINS,
    refreshTtl,
  })

  await app.register(errors)
  await app.register(security, { corsOrigins: config.CORS_ORIGINS })
  await app.register(json)
  await app.register(cookies)
  await app.register(jwt, { keyring, issuer, audience })
  await app.register(openapi, { publicUrl: config.PUBLIC_URL })
  await app.register(health, { db })
  await app.register(housekeeping, { prune: () => sessionRepository.prune() })

  // Public: what works without an access token.
  await app.register(wellKnownRoutes, { keyring })
  await app.register(accountRoutes, { users })
  await app.register(loginRoutes, { sessions, cookies: sessionCookies })

  // Everything else is refused without one.
  await app.register(async (secured) => {
    secured.addHook('onRoute', authenticateBeforeValidating)
    secured.addHook(
      'preHandler',
      createAuthenticate({ denylist, cookies: sessionCookies, issuer, audience, accessTtl, now }),
    )
    await secured.register(userRoutes, { users })
    await secured.register(logoutRoutes, { sessions, cookies: sessionCookies })
  })

  return app
}

export type App = Awaited<ReturnType<typeof buildApp>>

/** Who has no token learns nothing of what a body should look like. */
function authenticateBeforeValidating(route: { attachValidation?: boolean }): void {
  route.attachValidation = true
}
