import { createVerifiedTokens, type AccessClaims } from '@gatehouse/verify/protocol'
import type { FastifyInstance, FastifyRequest, preHandlerHookHandler } from 'fastify'
import { attested } from './features/clients/attested.js'
import { callerOf } from './http/caller.js'
import { admitsApiKey, opensByApiKey } from './features/api-keys/admitted.js'
import type { Config } from './config/load.js'
import { prune } from './db/retention.js'
import { createServer } from './http/server.js'
import { createDurations } from './http/metrics/durations.js'
import {
  createAuthenticateHook,
  createAuthenticator,
  type AccessRules,
} from './features/sessions/authenticate.js'
import { jwt } from './features/sessions/jwt.js'
import { drain } from './http/drain.js'
import { errors } from './http/errors.js'
import { health } from './http/health.js'
import { createDatabaseState } from './db/state.js'
import { housekeeping } from './db/housekeeping.js'
import { json } from './http/json.js'
import { keyMaintenance } from './features/tokens/key-plugin.js'
import { methods, changesNothing } from './http/methods.js'
import { metrics } from './http/metrics.js'
import { openapi } from './http/openapi/plugin.js'
import { requests } from './http/requests.js'
import { schemeWatch } from './features/passwords/scheme-watch.js'
import { security } from './http/security.js'
import { createServices } from './services/services.js'
import type { Dependencies } from './services/shared.js'
import { endWithoutFactor } from './features/sessions/enforcement.js'
import { createSessionCookies } from './features/sessions/session-cookies.js'

type WrapHook = (hook: preHandlerHookHandler) => preHandlerHookHandler

/** What every route shares: the services, the server with its plugins, and the check of access tokens. */
export async function buildBase(config: Config, dependencies: Dependencies) {
  const { db, log, keyCheckInterval, logsRequests } = dependencies
  const { JWT_ISSUER: issuer, JWT_AUDIENCE: audience, CORS_ORIGINS: corsOrigins } = config
  const services = await createServices(config, dependencies)
  const { converter, denials, denylist, failureDelay, keyring, lanes, limits } = services
  const { issued, outboxWorkers, passwords, replica, restorer, rotation, usage } = services
  const denialsLoaded = replica.feed.start() // while the routes are registered
  denialsLoaded.catch(() => undefined) // the start reports it
  const sessionCookies = createSessionCookies({
    publicUrl: config.PUBLIC_URL,
    corsOrigins,
    refreshTtl: config.REFRESH_TOKEN_TTL,
  })
  const verified = createVerifiedTokens({ max: 5_000 })
  keyring.onChange(verified.clear)
  const authentication = {
    denylist,
    usage,
    verified,
    issued,
    cookies: sessionCookies,
    findLiveKey: services.findLiveKey,
    admitsApiKey,
    issuer,
    audience,
    accessTtl: config.ACCESS_TOKEN_TTL,
    clock: services.clock,
  }

  const { ping } = createDatabaseState(db)
  const trustProxy = config.TRUST_PROXY.filter((item) => item !== 'none')
  const app = createServer({ trustProxy, log })
  const { METRICS_TOKEN: metricsToken } = config
  const durations =
    metricsToken !== undefined || config.NODE_ENV !== 'production'
      ? createDurations('gatehouse_http_request_duration_seconds')
      : undefined
  await app.register(requests, { log, durations, logsEach: logsRequests })
  await app.register(drain)
  await app.register(errors, { log })
  await app.register(security, { corsOrigins })
  await app.register(methods)
  await app.register(attested, { verify: services.verifyAttestation })
  await app.register(json)
  await app.register(jwt, { keyring, issuer, audience, cookies: sessionCookies })
  await app.register(openapi, { publicUrl: config.PUBLIC_URL })
  if (durations) {
    await app.register(metrics, { token: metricsToken, durations, replica, lanes, db })
  }
  await app.register(health, {
    ping,
    faultOf: () => replica.feed.fault() ?? (keyring.canSign() ? undefined : 'no_signing_key'),
  })
  await app.register(housekeeping, {
    prune: () => prune(db, config.AUDIT_RETENTION),
    warnOwners: services.apiKeys.warnOwners,
    log,
  })
  await app.register(keyMaintenance, { keyring, rotation, interval: keyCheckInterval, log })
  await app.register(schemeWatch, { failureDelay, passwords, log })
  app.addHook('onRoute', limits.settleAfter)
  app.addHook('onReady', () => denialsLoaded)
  app.addHook('onReady', () => endWithoutFactor(services.store, config.MFA))
  app.addHook('onClose', replica.feed.stop)
  app.addHook('onClose', restorer.stop)
  app.addHook('onClose', usage.settled)
  app.addHook('onClose', converter.close)
  app.addHook('onClose', denials.settled)
  app.addHook('onListen', async () => outboxWorkers.forEach(({ start }) => start()))
  app.addHook('onClose', async () => {
    await Promise.all(outboxWorkers.map(({ stop }) => stop()))
  })

  /**
   * Requires an access token for every route that is registered in `scope` after this call.
   * @param wrap returns the hook that decides whether the access token is asked for
   */
  function secure(scope: FastifyInstance, rules: AccessRules = {}, wrap?: WrapHook): void {
    scope.addHook('onRoute', (route) => {
      // Authenticate before validating, so anonymous callers cannot probe the schema.
      route.attachValidation = true
      const apiKey = opensByApiKey(route.method, route.url) ? [{ apiKey: [] }] : []
      route.schema = { ...route.schema, security: [...securityOf(rules), ...apiKey] }
    })
    const onDenied = rules.role === 'admin' ? noteDenial : undefined
    const options = { ...authentication, ...rules, ...(onDenied && { onDenied }) }
    const hook = createAuthenticateHook(options)
    scope.addHook('preHandler', wrap ? wrap(hook) : hook)
  }

  function noteDenial(request: FastifyRequest, { sub, sid }: AccessClaims): void {
    if (changesNothing(request)) return
    const caller = { ...callerOf(request), user_id: sub, session_id: sid }
    services.denials.record(caller, request.routeOptions.url ?? '')
  }

  return {
    app,
    services,
    cookies: sessionCookies,
    authenticate: createAuthenticator(authentication),
    secure,
  }
}

/** The security requirement of a route for OpenAPI: how to authenticate, and the role that it requires. */
function securityOf({ role, bearerOnly = false }: AccessRules): Record<string, string[]>[] {
  const roles = role === undefined ? [] : [role]
  return bearerOnly ? [{ bearer: roles }] : [{ bearer: roles }, { session: roles }]
}
