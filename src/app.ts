import type { FastifyInstance } from 'fastify'
import { accountRoutes } from './features/registration/routes.js'
import { apiKeyRoutes } from './features/api-keys/routes.js'
import { administrationRoutes } from './features/administration/routes.js'
import { auditRoutes } from './features/audit/routes.js'
import { buildBase } from './app-base.js'
import { invitationRoutes } from './features/invitations/routes.js'
import type { Config } from './config/load.js'
import { restUser } from './compat/rest-user.js'
import { usersV1 } from './compat/users-v1.js'
import { isForwardedChange } from './forward-auth/original.js'
import { createHostHook } from './forward-auth/host-hook.js'
import { createHostTokens } from './forward-auth/host-tokens.js'
import { createLoginStates } from './forward-auth/login-states.js'
import { hostLoginRoutes } from './forward-auth/logins.js'
import { forwardAuthRoutes } from './forward-auth/routes.js'
import { metadataRoutes } from './features/oauth/metadata.js'
import { oauthRoutes } from './features/oauth/routes.js'
import { createPageSender } from './pages/layout.js'
import { createNotFoundHandler } from './pages/not-found.js'
import { referencePage } from './pages/reference/routes.js'
import { pages } from './pages/routes.js'
import { createVisitors } from './pages/visitor.js'
import { revocationRoutes } from './features/revocations/routes.js'
import { roleRoutes } from './features/roles/routes.js'
import type { Dependencies } from './services/shared.js'
import { createCompleteLogin } from './features/sessions/complete-login.js'
import { passkeyLoginRoutes, passkeyRoutes } from './features/passkeys/routes.js'
import { relatedOriginsRoute } from './features/passkeys/related-origins.js'
import { factorRemovalRoutes, factorRoutes } from './features/factors/routes.js'
import { loginRoutes } from './features/sessions/login-routes.js'
import { logoutRoutes } from './features/sessions/routes.js'
import { identityRoutes } from './features/identities/routes.js'
import { wellKnownRoutes } from './features/tokens/routes.js'
import { createBodies } from './features/uploads/bodies.js'
import { profileRoutes, uploadRoutes } from './features/uploads/routes.js'
import { confirmationRoutes, userRoutes } from './features/users/routes.js'

/** Registers every route, grouped by who may call it. app-base.ts builds the server below them. */
export async function buildApp(config: Config, dependencies: Dependencies) {
  const { app, services, cookies, authenticate, secure } = await buildBase(config, dependencies)
  const {
    accounts,
    administration,
    apiKeys,
    audit,
    authorization,
    clients,
    deviceLogins,
    identities,
    keyring,
    limits,
    oauth,
    oldApp,
  } = services
  const { mailbox, providers, revocations, roles, sessions, social, uploads, users } = services
  const { CORS_ORIGINS: corsOrigins, JWT_ISSUER: issuer, PUBLIC_URL: publicUrl } = config
  const activation = config.ACTIVATION === 'required'
  const offersRegistration = config.REGISTRATION === 'open'
  const bodies = createBodies()
  const { hosts, tokens, denylist, usage, clock } = services
  const hostTokens = createHostTokens({
    cookies,
    tokens,
    sessions,
    denylist,
    usage,
    keyring,
    clock,
    accessTtl: config.ACCESS_TOKEN_TTL,
    grace: config.REFRESH_GRACE,
  })
  const completeLogin = createCompleteLogin({ cookies, limits })

  // Public: these routes need no access token.
  await app.register(wellKnownRoutes, { keyring })
  await app.register(revocationRoutes, { revocations })
  await app.register(metadataRoutes, {
    issuer,
    publicUrl,
    offersDeviceLogin: deviceLogins !== undefined,
  })
  await app.register(oauthRoutes, { oauth, clients, authorization, deviceLogins })
  await app.register(accountRoutes, { accounts, cookies, limits, activation })
  await app.register(loginRoutes, {
    sessions,
    cookies,
    completeLogin,
    oldApp,
    secondFactor: services.secondFactor,
  })
  await app.register(relatedOriginsRoute, { relatedOrigins: config.RELATED_ORIGINS })
  await app.register(passkeyLoginRoutes, {
    passkeyLogins: services.passkeyLogins,
    cookies,
    completeLogin,
    limits,
  })
  await app.register(confirmationRoutes, { users, cookies, limits })
  await app.register(profileRoutes, { uploads })
  await app.register(pages, {
    accounts,
    apiKeys,
    audit,
    authorization,
    deviceLogins,
    identities,
    factors: services.factors,
    passkeys: services.passkeys,
    loginNotices: services.loginNotices,
    passkeyLogins: services.passkeyLogins,
    secondFactor: services.secondFactor,
    sessions,
    social,
    completeLogin,
    uploads,
    bodies,
    users,
    visitors: createVisitors({ authenticate, sessions, oldApp, completeLogin, users, cookies }),
    limits,
    cookies,
    mailbox,
    providers: providers.map(({ name, label }) => ({ name, label })),
    appName: config.APP_NAME,
    publicUrl,
    corsOrigins,
    activation,
    offersRegistration,
    minLength: config.PASSWORD_MIN_LENGTH,
  })
  await app.register(hostLoginRoutes, {
    hosts,
    tokens: hostTokens,
    states: createLoginStates(dependencies.keysSecret, clock),
    authorization,
    sessions,
    cookies,
    send: createPageSender({ appName: config.APP_NAME, corsOrigins, offersRegistration }),
    publicUrl,
    issuer,
  })
  app.setNotFoundHandler(
    createNotFoundHandler({ appName: config.APP_NAME, corsOrigins, offersRegistration }),
  )
  await app.register(referencePage, { appName: config.APP_NAME })

  // These routes need an access token. Users act on their own account.
  await app.register(async (secured) => {
    secure(secured)
    await secured.register(userRoutes, { users, cookies })
    await secured.register(logoutRoutes, { sessions, cookies })
    await secured.register(factorRoutes, { factors: services.factors })
    await secured.register(passkeyRoutes, { passkeys: services.passkeys })
    await secured.register(identityRoutes, { identities })
    await secured.register(apiKeyRoutes, { apiKeys })
    await secured.register(uploadRoutes, { uploads, bodies, limits })
  })

  // These routes need the role admin.
  await app.register(async (secured) => {
    secure(secured, { role: 'admin' })
    await secured.register(administrationRoutes, { administration, publicUrl })
    await secured.register(roleRoutes, { roles })
    await secured.register(factorRemovalRoutes, { factors: services.factors })
    await secured.register(invitationRoutes, { invitations: services.invitations })
    await secured.register(auditRoutes, { audit, publicUrl })
  })

  // A reverse proxy calls these before it forwards a request to another app.
  await app.register(async (secured) => {
    const byHost = createHostHook(hosts, hostTokens)
    secure(secured, { isChange: isForwardedChange, admitsClients: true }, byHost)
    await secured.register(forwardAuthRoutes, { publicUrl, corsOrigins, hosts })
  })

  // The paths and envelopes of older systems, over the same services.
  await app.register(usersV1, {
    accounts,
    sessions,
    completeLogin,
    roles,
    users,
    limits,
    cookies,
    secure: secureBearer,
  })
  await app.register(restUser, {
    accounts,
    administration,
    sessions,
    oldApp,
    completeLogin,
    users,
    denials: services.denials,
    limits,
    cookies,
    registration: { activation: true, discreet: activation },
    secure: secureBearer,
  })

  /** Accepts Bearer tokens only, no cookies, because some of these routes change state by GET. */
  function secureBearer(scope: FastifyInstance, role?: string): void {
    secure(scope, { bearerOnly: true, ...(role && { role }) })
  }

  return app
}

export type App = Awaited<ReturnType<typeof buildApp>>
