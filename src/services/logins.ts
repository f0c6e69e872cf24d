import type { Config } from '../config/load.js'
import { createFactorSecrets } from '../features/factors/secrets.js'
import { createFactorService, labelOf } from '../features/factors/service.js'
import { createCeremonies } from '../features/passkeys/ceremonies.js'
import { createPasskeyChallenges } from '../features/passkeys/challenges.js'
import { createPasskeyLogins } from '../features/passkeys/logins.js'
import { createPasskeyService } from '../features/passkeys/service.js'
import { createSecondFactor } from '../features/sessions/second-factor.js'
import { readOldAppOptions } from '../features/old-app/configured.js'
import { createOldAppService } from '../features/old-app/service.js'
import { createReauthentication } from '../features/passwords/reauthentication.js'
import { createLogins } from '../features/sessions/logins.js'
import { createSessionService } from '../features/sessions/service.js'
import { createUsage } from '../features/sessions/usage.js'
import { createIdentityService } from '../features/identities/identities.js'
import { createProviders } from '../features/identities/providers.js'
import { createSocialService } from '../features/identities/service.js'
import { createTransactions } from '../features/identities/transactions.js'
import type { Owners } from '../features/identities/owners.js'
import type { Dependencies, SharedServices } from './shared.js'

type Options = Pick<Dependencies, 'keysSecret' | 'log'> & { shared: SharedServices; owners: Owners }

/** Creates the ways to log in: by password, provider, passkey or the cookie of an old app, and the second factor. */
export function createLoginServices(config: Config, { keysSecret, log, shared, owners }: Options) {
  const { clock, devices, failureDelay, limits, newId, passwords, store, tokens } = shared
  const reauthentication = createReauthentication({ store, passwords, limits })
  const usage = createUsage(store)
  const logins = createLogins({
    tokens,
    devices,
    newId,
    refreshTtl: config.REFRESH_TOKEN_TTL,
    sessionsPerUser: config.SESSIONS_PER_USER,
    mode: config.MFA,
  })
  const factorSecrets = createFactorSecrets({ keysSecret, appName: config.APP_NAME, clock })
  const factors = createFactorService({
    store,
    secrets: factorSecrets,
    reauthentication,
    limits,
    mode: config.MFA,
  })
  const secondFactor = createSecondFactor({
    store,
    secrets: factorSecrets,
    logins,
    limits,
    newId,
    labelOf,
  })
  const sessions = createSessionService({
    store,
    passwords,
    failureDelay,
    tokens,
    limits,
    devices,
    log,
    usage,
    logins,
    grace: config.REFRESH_GRACE,
  })
  const providers = createProviders(config, clock)
  const identities = createIdentityService({
    store,
    logins,
    reauthentication,
    owners,
    providers,
  })
  const rp = {
    id: new URL(config.PUBLIC_URL).hostname,
    origins: [config.PUBLIC_URL, ...config.RELATED_ORIGINS],
  }
  const challenges = createPasskeyChallenges(keysSecret, clock, newId)
  const ceremonies = createCeremonies(rp, challenges)
  const ofPasskeys = { store, rp, challenges, ceremonies, mode: config.MFA }
  const passkeys = createPasskeyService({
    ...ofPasskeys,
    reauthentication,
    appName: config.APP_NAME,
    issuers: providers.map(({ issuer }) => issuer),
    newId,
    labelOf,
  })
  const passkeyLogins = createPasskeyLogins({ ...ofPasskeys, logins, limits })
  const social = createSocialService({
    store,
    providers,
    transactions: createTransactions(keysSecret, clock, newId),
    identities,
  })
  const oldApp = createOldAppService({
    store,
    logins,
    limits,
    clock,
    ...readOldAppOptions(config),
  })

  return {
    factors,
    identities,
    logins,
    oldApp,
    passkeyLogins,
    passkeys,
    providers,
    reauthentication,
    secondFactor,
    sessions,
    social,
    usage,
  }
}
