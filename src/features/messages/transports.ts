import { createHmac } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import type { Clock } from '../../concurrency/clock.js'
import { toHtml, toSms, toText } from './layout.js'
import type { MessageContent } from './messages.js'

/** Sends messages. */
export type Transport = {
  /** @param id another at each attempt, because the code is another @throws Error if it may not have arrived */
  send(id: string, to: string, content: MessageContent): Promise<void>
  /** @throws Error if the provider cannot be reached */
  verify(): Promise<void>
}

type MailOptions = {
  url: string
  /** An address, with or without a name before it. */
  from: string | { name: string; address: string }
  host: string
}

/** Sends mail by SMTP (RFC 5321). Timeouts are in milliseconds. The first use loads the library. */
export function createSmtpTransport({ url, from, host }: MailOptions): Transport {
  let opened: Promise<Mailer> | undefined
  const open = () => (opened ??= openSmtp(url))
  return {
    async send(id, to, content) {
      const smtp = await open()
      await smtp.sendMail({
        messageId: `<${id}@${host}>`,
        from,
        to: { name: '', address: to },
        subject: content.subject,
        text: toText(content),
        html: toHtml(content),
        headers: { 'Auto-Submitted': 'auto-generated' },
      })
    },
    async verify() {
      await (await open()).verify()
    },
  }
}

type Mailer = Awaited<ReturnType<typeof openSmtp>>

async function openSmtp(url: string) {
  const { createTransport } = await import('nodemailer')
  return createTransport({
    url,
    connectionTimeout: 5_000,
    greetingTimeout: 5_000,
    socketTimeout: 10_000,
    dnsTimeout: 5_000,
    disableFileAccess: true,
    disableUrlAccess: true,
  })
}

type WebhookOptions = { url: string; secret: string; clock: Clock }

/**
 * Sends SMS by a signed JSON request to a service that delivers it (Standard Webhooks: `webhook-id`,
 * `webhook-timestamp`, `webhook-signature`).
 */
export function createSmsTransport({ url, secret, clock }: WebhookOptions): Transport {
  // Standard Webhooks writes a key as base64 after this prefix.
  const isEncoded = secret.startsWith('whsec_')
  const key = isEncoded ? Buffer.from(secret.slice(6), 'base64') : Buffer.from(secret)
  return {
    async send(id, to, content) {
      const body = JSON.stringify({ type: 'sms', data: { to, text: toSms(content) } })
      const timestamp = String(Math.floor(clock.now() / 1_000))
      const signature = createHmac('sha256', key)
        .update(`${id}.${timestamp}.${body}`)
        .digest('base64')
      const answer = await fetch(url, {
        method: 'POST',
        redirect: 'error',
        signal: AbortSignal.timeout(10_000),
        headers: {
          'content-type': 'application/json',
          'webhook-id': id,
          'webhook-timestamp': timestamp,
          'webhook-signature': `v1,${signature}`,
        },
        body,
      })
      await answer.body?.cancel()
      if (!answer.ok) throw new Error(`the SMS webhook answered ${String(answer.status)}`)
    },
    async verify() {
      const answer = await fetch(url, { method: 'HEAD', signal: AbortSignal.timeout(5_000) })
      await answer.body?.cancel()
    },
  }
}

/** For development: writes each message to the log, with its code and link. */
export function createLogTransport(log: FastifyBaseLogger): Transport {
  return {
    async send(_id, to, content) {
      const { subject, code, action } = content
      log.info({ to, subject, code, link: action?.url }, 'message not sent (log transport)')
    },
    verify: () => Promise.resolve(),
  }
}
