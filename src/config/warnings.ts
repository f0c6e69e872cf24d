import type { Config } from './load.js'
import { unknownVariables } from './unknown.js'

type Log = { warn(message: string): void }

/** What is wrong with a valid PUBLIC_URL; undefined if nothing is. */
export function publicUrlWarning(url: string): string | undefined {
  const { protocol, hostname } = new URL(url)
  if (hostname === 'localhost') {
    return 'PUBLIC_URL is localhost, and so is the issuer of every token; set it to the public origin'
  }
  if (protocol !== 'http:') return undefined
  return `PUBLIC_URL=${url} is not https: passwords and tokens can be read on the way, and cookies are not Secure`
}

/** Warns of settings that are valid but probably wrong, and of misspelt variables. */
export function logWarnings(log: Log, config: Config, env: Record<string, string | undefined>) {
  for (const warning of unknownVariables(env)) log.warn(warning)
  if (config.NODE_ENV !== 'production') return
  const { PUBLIC_URL, MAIL_URL, SMS_WEBHOOK_URL } = config
  const ofPublicUrl = publicUrlWarning(PUBLIC_URL)
  if (ofPublicUrl !== undefined) log.warn(ofPublicUrl)
  if (MAIL_URL === undefined && SMS_WEBHOOK_URL === undefined) {
    log.warn('neither MAIL_URL nor SMS_WEBHOOK_URL is set, so no user can reset a password')
  }
}
