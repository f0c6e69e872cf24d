import type { Config } from './load.js'
import { unknownVariables } from './unknown.js'

type Log = { warn(message: string): void }

/** Warns of settings that are valid but probably wrong, and of misspelt variables. */
export function logWarnings(log: Log, config: Config, env: Record<string, string | undefined>) {
  for (const warning of unknownVariables(env)) log.warn(warning)
  if (config.NODE_ENV !== 'production') return
  const { PUBLIC_URL, MAIL_URL, SMS_WEBHOOK_URL } = config
  const { protocol, hostname } = new URL(PUBLIC_URL)
  if (hostname === 'localhost') {
    log.warn(
      'PUBLIC_URL is localhost, and so is the issuer of every token; set it to the public origin',
    )
  } else if (protocol === 'http:') {
    log.warn(
      `PUBLIC_URL=${PUBLIC_URL} is not https: passwords and tokens can be read on the way, and cookies are not Secure`,
    )
  }
  if (MAIL_URL === undefined && SMS_WEBHOOK_URL === undefined) {
    log.warn('neither MAIL_URL nor SMS_WEBHOOK_URL is set, so no user can reset a password')
  }
}
