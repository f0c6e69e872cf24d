import type { FastifyBaseLogger } from 'fastify'
import type { Clock } from '../../concurrency/clock.js'
import type { Config } from '../../config/load.js'
import type { Mailbox } from './mailbox.js'
import {
  createLogTransport,
  createSmsTransport,
  createSmtpTransport,
  type Transport,
} from './transports.js'

type Dependencies = {
  log: FastifyBaseLogger
  clock: Clock
  /** Where a developer reads the messages. */
  mailbox: Mailbox | undefined
}

/**
 * Creates the transports of the configuration, by kind of address. For a kind without a transport,
 * production drops each message with a log line, and development logs the message itself.
 */
export function createTransports(
  config: Config,
  { log, clock, mailbox }: Dependencies,
): { email?: Transport; mobile?: Transport } {
  const { APP_NAME, MAIL_URL, MAIL_FROM, PUBLIC_URL } = config
  const { SMS_WEBHOOK_URL, SMS_WEBHOOK_SECRET = '' } = config
  const toLog = config.NODE_ENV === 'production' ? undefined : createLogTransport(log)
  // A name in MAIL_FROM is kept.
  const from = MAIL_FROM.includes('<') ? MAIL_FROM : { name: APP_NAME, address: MAIL_FROM }
  const email =
    MAIL_URL === undefined || MAIL_URL === 'log'
      ? toLog
      : createSmtpTransport({ url: MAIL_URL, from, host: new URL(PUBLIC_URL).hostname })
  const mobile =
    SMS_WEBHOOK_URL === undefined
      ? toLog
      : createSmsTransport({ url: SMS_WEBHOOK_URL, secret: SMS_WEBHOOK_SECRET, clock })
  const watch = mailbox?.watch ?? ((transport: Transport) => transport)
  return { ...(email && { email: watch(email) }), ...(mobile && { mobile: watch(mobile) }) }
}
