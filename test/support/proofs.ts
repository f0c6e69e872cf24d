import type { Test } from 'tap'
import { phoneSink } from './phone.js'
import { publicUrl, socialApp, type SocialApp } from './social/app.js'
import { openidProvider } from './social/openid-provider.js'
import { aNumber, anAddress, password } from './social/people.js'
import { smtpSink } from './smtp-sink.js'
import { until } from './until.js'

export const kinds = ['email', 'mobile'] as const
export type Kind = (typeof kinds)[number]
type Message = { to: string; token: string; code: string }

export const new_password = 'a better horse battery'
export const anyOf = { email: anAddress, mobile: aNumber }
export const otherOf = { email: 'mobile', mobile: 'email' } as const

/** Services whose messages go to one mailbox and one phone, and what people do to prove addresses. */
export async function proving(t: Test) {
  const openid = await openidProvider(t, publicUrl)
  const [mail, phone] = [await smtpSink(t), await phoneSink(t)]
  const env = { ...openid.env, MAIL_URL: mail.url, ...phone.env }
  const service = (ACTIVATION: 'off' | 'required') => socialApp(t, { env: { ...env, ACTIVATION } })

  const sinks = { email: mail, mobile: phone }

  const post = ({ call }: Pick<SocialApp, 'call'>, path: string, body: object) =>
    call('POST', path, body)
  const logIn = (service: SocialApp, kind: Kind, address: string, secret = password) =>
    post(service, '/api/login', { [kind]: address, password: secret })
  const untilSent = ({ sql }: Pick<SocialApp, 'sql'>) =>
    until(async () => (await sql('select from outbox')).length === 0, 'an empty outbox')

  const reads = new Map<string, number>()
  function next(kind: Kind, address: string) {
    reads.set(address, (reads.get(address) ?? 0) + 1)
    return sinks[kind].next(address)
  }

  /** The first message of that kind; those before it were for nobody who asked. */
  async function messageOf(kind: Kind, address: string, subject: RegExp): Promise<Message> {
    for (;;) {
      const message = await next(kind, address)
      const words = 'subject' in message ? String(message.subject) : message.text
      if (subject.test(words)) return message
    }
  }

  /** An account with both addresses; `proven` are those that somebody proved. */
  async function account(service: SocialApp, proven: Kind[]) {
    const addresses = { email: anAddress(), mobile: aNumber() }
    const { status, body } = await post(service, '/api/register', { ...addresses, password })
    if (status !== 201) throw new Error(JSON.stringify(body))
    const { id } = body.user as { id: string }
    await service.sql('update users set activated_at = now() where id = $1', [id])
    for (const kind of proven) {
      await service.sql(`update users set ${kind}_verified_at = now() where id = $1`, [id])
    }
    return { id, ...addresses }
  }

  async function ask(
    service: SocialApp,
    path: string,
    kind: Kind,
    address: string,
    subject: RegExp,
  ) {
    // What was sent before would be dead with the newer one.
    await untilSent(service)
    const messages: { to: string }[] = kind === 'email' ? mail.mails : phone.messages
    const sent = messages.filter(({ to }) => to === address).length
    while ((reads.get(address) ?? 0) < sent) await next(kind, address)
    await post(service, path, { [kind]: address })
    return messageOf(kind, address, subject)
  }

  return { service, mail, post, logIn, untilSent, messageOf, account, ask }
}
