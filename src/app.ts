import type { FastifyInstance } from 'fastify'
import { accountRoutes } from './accounts/routes.js'
import { administrationRoutes } from './administration/routes.js'
import { auditRoutes } from './audit/routes.js'
import type { Config } from './config.js'
import { prune } from './db/retention.js'
import { restUser } from './dialects/rest-user.js'
import { usersV1 } from './dialects/users-v1.js'
import { isForwardedChange } from './forward-auth/original.js'
import { forwardAuthRoutes } from './forward-auth/routes.js'
import { createServer } from './http.js'
import { metadataRoutes } from './oauth/metadata.js'
import { oauthRoutes } from './oauth/routes.js'
import { pages } from './pages/routes.js'
import { createVisitors } from './pages/visitor.js'
import {
  createAuthenticate,
  createAuthenticator,
  jwt,
  type AccessRules,
} from './plugins/authenticate.js'
import { cookies, createSessionCookies } from './plugins/cookies.js'
import { errors } from './plugins/errors.js'
import { health } from './plugins/health.js'
import { housekeeping } from './plugins/housekeeping.js'
import { json } from './plugins/json.js'
import { keys } from './plugins/keys.js'
import { metrics } from './plugins/metrics.js'
import { openapi } from './plugins/openapi.js'
import { security } from './plugins/security.js'
import { revocationRoutes } from './revocations/routes.js'
import { roleRoutes } from './roles/routes.js'
import { createServices, type Dependencies } from './services.js'
import { loginRoutes, logoutRoutes } from './sessions/routes.js'
import { identityRoutes } from './social/routes.js'
import { wellKnownRoutes } from './tokens/routes.js'
import { createVerifiedTokens } from './tokens/verified.js'
import { profileRoutes, uploadRoutes } from './uploads/routes.js'
import { confirmationRoutes, userRoutes } from './users/routes.js'

/** The service over HTTP: read top to bottom, it is the architecture; services.ts is what it rests on. */
export async function buildApp(config: Config, dependencies: Dependencies) {
  const { db, log, now = () => new Date(), keysEvery } = dependencies
  const { JWT_ISSUER: issuer, JWT_AUDIENCE: audience, ACCESS_TOKEN_TTL: accessTtl } = config
  const services = await createServices(config, dependencies)
  const { accounts, administration, audit, clients, denylist, identities, keyring } = services
  const { lanes, limits, oauth, outboxWorkers, providers, replica, revocations, roles } = services
  const { rotation, sessions, social, uploads, usage, users } = services
  const sessionCookies = createSessionCookies({
    publicUrl: config.PUBLIC_URL,
    corsOrigins: config.CORS_ORIGINS,
    refreshTtl: config.REFRESH_TOKEN_TTL,
  })

  const verified = createVerifiedTokens({ most: 5_000 })
  keyring.onChange(verified.clear)
  const authentication = {
    denylist,
    usage,
    verified,
    cookies: sessionCookies,
    issuer,
    audience,
    accessTtl,
    now,
  }
  const trustProxy = config.TRUST_PROXY.filter((item) => item !== 'none')

  const app = createServer({ trustProxy, log })
  await app.register(errors)
  await app.register(security, { corsOrigins: config.CORS_ORIGINS })
  await app.register(json)
  await app.register(cookies)
  await app.register(jwt, { keyring, issuer, audience })
  await app.register(openapi, { publicUrl: config.PUBLIC_URL })
  const { METRICS_TOKEN: metricsToken } = config
  if (metricsToken !== undefined || config.NODE_ENV !== 'production') {
    await app.register(metrics, { token: metricsToken, replica, lanes, db })
  }
  await app.register(health, { db, isReady: replica.feed.isReady })
  await app.register(housekeeping, { prune: () => prune(db, config.AUDIT_RETENTION / 86_400) })
  await app.register(keys, { keyring, rotation, every: keysEvery })
  app.addHook('onReady', replica.feed.start)
  app.addHook('onClose', replica.feed.stop)
  app.addHook('onClose', usage.settled)
  app.addHook('onListen', async () => outboxWorkers.forEach(({ start }) => start()))
  app.addHook('onClose', async () => {
    await Promise.all(outboxWorkers.map(({ stop }) => stop()))
  })

  // Public: what works without an access token.
  await app.register(wellKnownRoutes, { keyring })
  await app.register(revocationRoutes, { revocations })
  await app.register(metadataRoutes, { issuer, publicUrl: config.PUBLIC_URL })
  await app.register(oauthRoutes, { oauth, clients })
  const activation = config.ACTIVATION === 'required'
  await app.register(accountRoutes, { accounts, limits, activation })
  await app.register(loginRoutes, { sessions, cookies: sessionCookies, limits })
  await app.register(confirmationRoutes, { users, limits })
  await app.register(profileRoutes, { uploads })
  await app.register(pages, {
    accounts,
    identities,
    sessions,
    social,
    uploads,
    users,
    visitors: createVisitors({
      authenticate: createAuthenticator(authentication),
      sessions,
      users,
      cookies: sessionCookies,
    }),
    limits,
    cookies: sessionCookies,
    providers: providers.map(({ name, label }) => ({ name, label })),
    appName: config.APP_NAME,
    publicUrl: config.PUBLIC_URL,
    corsOrigins: config.CORS_ORIGINS,
    activation,
    minLength: config.PASSWORD_MIN_LENGTH,
  })

  // Everything else is refused without one: first what anybody may do with their own,
  await app.register(async (secured) => {
    secure(secured)
    await secured.register(userRoutes, { users, cookies: sessionCookies })
    await secured.register(logoutRoutes, { sessions, cookies: sessionCookies })
    await secured.register(identityRoutes, { identities })
    await secured.register(uploadRoutes, { uploads, limits })
  })

  // then what needs a role.
  await app.register(async (secured) => {
    secure(secured, { role: 'admin' })
    await secured.register(administrationRoutes, { administration })
    await secured.register(roleRoutes, { roles })
    await secured.register(auditRoutes, { audit })
  })

  // What a reverse proxy asks before it passes a request on to another app.
  await app.register(async (secured) => {
    secure(secured, { isChange: isForwardedChange, admitsClients: true })
    await secured.register(forwardAuthRoutes, {
      publicUrl: config.PUBLIC_URL,
      corsOrigins: config.CORS_ORIGINS,
    })
  })

  // The paths and envelopes of older systems, over the same services.
  await app.register(usersV1, { accounts, sessions, roles, users, limits, secure: secureBearer })
  await app.register(restUser, {
    accounts,
    administration,
    sessions,
    users,
    limits,
    registration: { activation: true, discreet: activation },
    secure: secureBearer,
  })

  /** By Bearer only: some of these change something by GET. */
  function secureBearer(scope: FastifyInstance, role?: string): void {
    secure(scope, { bearerOnly: true, ...(role && { role }) })
  }

  function secure(scope: FastifyInstance, rules: AccessRules = {}): void {
    scope.addHook('onRoute', authenticateBeforeValidating)
    scope.addHook('preHandler', createAuthenticate({ ...authentication, ...rules }))
  }

  return app
}

export type App = Awaited<ReturnType<typeof buildApp>>

/** Who has no token learns nothing of what a body should look like. */
function authenticateBeforeValidating(route: { attachValidation?: boolean }): void {
  route.attachValidation = true
}
