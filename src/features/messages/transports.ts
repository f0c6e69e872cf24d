import { createHmac } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import nodemailer from 'nodemailer'
import { toHtml, toSms, toText } from './layout.js'
import type { Letter } from './messages.js'

/** Sends one letter. `id` is another at every try, because the code in it is. */
export type Transport = {
  /** @throws Error when it may not have arrived */
  send(id: string, to: string, letter: Letter): Promise<void>
  /** @throws Error when the provider cannot be reached */
  verify(): Promise<void>
}

type MailOptions = { url: string; from: string; host: string }

/** Mail by SMTP (RFC 5321). Every wait has an end, in milliseconds. */
export function createSmtpTransport({ url, from, host }: MailOptions): Transport {
  const smtp = nodemailer.createTransport({
    url,
    connectionTimeout: 5_000,
    greetingTimeout: 5_000,
    socketTimeout: 10_000,
    dnsTimeout: 5_000,
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  return {
    async send(id, to, letter) {
      await smtp.sendMail({
        messageId: `<${id}@${host}>`,
        from,
        to: { name: '', address: to },
        subject: letter.subject,
        text: toText(letter),
        html: toHtml(letter),
        headers: { 'Auto-Submitted': 'auto-generated' },
      })
    },
    async verify() {
      await smtp.verify()
    },
  }
}

type WebhookOptions = { url: string; secret: string; now: () => Date }

/**
 * Short messages by a signed JSON request (Standard Webhooks: `webhook-id`, `webhook-timestamp`,
 * `webhook-signature`) to a service that passes them on.
 */
export function createSmsTransport({ url, secret, now }: WebhookOptions): Transport {
  // The libraries of Standard Webhooks write a key in base64 behind this prefix.
  const isEncoded = secret.startsWith('whsec_')
  const key = isEncoded ? Buffer.from(secret.slice(6), 'base64') : Buffer.from(secret)
  return {
    async send(id, to, letter) {
      const body = JSON.stringify({ type: 'sms', data: { to, text: toSms(letter) } })
      const timestamp = String(Math.floor(now().getTime() / 1_000))
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

/** Development: the message is a line in the log, code and link included. */
export function createLogTransport(log: FastifyBaseLogger): Transport {
  return {
    async send(_id, to, letter) {
      const { subject, code, action } = letter
      log.info({ to, subject, code, link: action?.url }, 'a message that is not sent')
    },
    verify: () => Promise.resolve(),
  }
}
