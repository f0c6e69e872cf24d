import type { Config } from '../../config/load.js'
import type { OldAppOptions } from './service.js'

/** What the configuration says about the old app. */
export function readOldAppOptions(
  config: Config,
): Pick<OldAppOptions, 'until' | 'tokens' | 'cookies'> {
  const { OLD_APP_JWT_SECRET: secret, OLD_APP_JWT_KEYS: keys, OLD_APP_JWT_USER: claim } = config
  const { OLD_APP_COOKIE_SECRET: cookieSecret, OLD_APP_COOKIE_USER: key } = config
  return {
    until: Date.parse(config.OLD_APP_UNTIL ?? ''),
    tokens:
      secret === undefined && keys === undefined
        ? undefined
        : {
            secret,
            keys,
            algorithm: config.OLD_APP_JWT_ALGORITHM,
            issuer: config.OLD_APP_JWT_ISSUER,
            type: config.OLD_APP_JWT_TYPE,
            claim: claim.name,
            field: claim.field,
          },
    cookies:
      cookieSecret === undefined
        ? undefined
        : {
            secret: cookieSecret,
            key: key.name,
            field: key.field,
            lifetime: config.OLD_APP_COOKIE_LIFETIME,
          },
  }
}
