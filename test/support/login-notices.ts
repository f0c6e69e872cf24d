import type { Test } from 'tap'
import { ada, listeningApp, verifyEmails } from './app.js'
import { smtpSink } from './smtp-sink.js'
import { until } from './until.js'

export const home = { agent: 'Mozilla/5.0 (X11; Linux) Firefox/140.0', from: '192.0.2.1' }
export const abroad = { agent: 'Mozilla/5.0 (Windows) Chrome/140.0', from: '203.0.113.7' }

export type Place = { agent: string; from: string; cookie?: string }

type Account = { email: string; password: string }

/** A service that sends mail, with an account that has logged in once, at home. */
export async function noticingApp(t: Test, env: Record<string, string> = {}) {
  const sink = await smtpSink(t)
  const lines: string[] = []
  const service = await listeningApp(t, {
    logTo: { write: (line) => lines.push(line) },
    env: { LOG_LEVEL: 'debug', MAIL_URL: sink.url, TRUST_PROXY: '127.0.0.1', ...env },
  })
  const { app, sql } = service
  await app.inject({ method: 'POST', url: '/api/register', payload: ada })
  await verifyEmails(service)

  async function logIn({ agent, from, cookie }: Place, account: Account = ada) {
    const answer = await app.inject({
      method: 'POST',
      url: '/api/login',
      headers: { 'user-agent': agent, 'x-forwarded-for': from, ...(cookie && { cookie }) },
      payload: account,
    })
    if (answer.statusCode !== 200) throw new Error(answer.body)
    const device = answer.cookies.find(({ name }) => name === 'device')?.value ?? ''
    return { ...answer.json(), cookie: `device=${device}` }
  }
  const untilSent = () =>
    until(async () => (await sql('select from outbox')).length === 0, 'an empty outbox')

  let read = 0
  /** How many notices were mailed since the last call. */
  async function notices(): Promise<number> {
    await untilSent()
    const sent = sink.mails.filter(({ subject }) => subject.startsWith('New login'))
    const before = read
    read = sent.length
    return sent.length - before
  }

  const open = (token: string, method: 'GET' | 'HEAD' = 'GET') =>
    app.inject({ method, url: `/not-me?token=${token}`, headers: { accept: 'text/html' } })

  const press = (token: string, at = app) =>
    at.inject({
      method: 'POST',
      url: '/not-me',
      headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'text/html' },
      payload: new URLSearchParams({ token }).toString(),
    })

  /** The token of the link in the next notice. */
  async function nextToken(to = ada.email): Promise<string> {
    for (;;) {
      const { subject, token } = await sink.next(to)
      if (subject.startsWith('New login')) return token
    }
  }

  const first = await logIn(home)
  return { ...service, lines, sink, first, logIn, nextToken, notices, open, press, untilSent }
}
