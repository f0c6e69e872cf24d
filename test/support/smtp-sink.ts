import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { SMTPServer } from 'smtp-server'
import type { Test } from 'tap'
import { bearer, listeningApp, type TestApp } from './app.js'
import { until } from './until.js'
import type { Answer } from './server-process.js'

/** What arrived; `link`, `token` and `code` are empty where it carries none. */
export type Mail = {
  to: string
  id: string
  subject: string
  head: string
  text: string
  raw: string
  link: string
  token: string
  code: string
}

/**
 * How it treats who brings mail: it may close its port, say nothing at all, take a mail and never say
 * that it did, or answer every recipient with an SMTP status.
 */
export type Mood = 'accepts' | 'refuses' | 'hangs' | 'never confirms' | number

type Json = ReturnType<typeof JSON.parse>

/** A real SMTP server that keeps what it gets, until the test ends. */
export async function smtpSink(t: Test) {
  const mails: Mail[] = []
  const read = new Set<Mail>()
  const sockets = new Set<Socket>()
  let mood: Mood = 'accepts'
  let server = await open(0)
  const { port } = server.server.address() as AddressInfo
  t.teardown(close)

  async function open(port: number): Promise<SMTPServer> {
    const opened = new SMTPServer({
      disabledCommands: ['AUTH', 'STARTTLS'],
      disableReverseLookup: true,
      onConnect: (_session, done) => mood !== 'hangs' && done(),
      onRcptTo(_address, _session, done) {
        if (typeof mood !== 'number') done()
        else done(Object.assign(new Error('not now'), { responseCode: mood }))
      },
      onData(stream, session, done) {
        const chunks: Buffer[] = []
        stream.on('data', (chunk: Buffer) => chunks.push(chunk))
        stream.on('end', () => {
          const raw = Buffer.concat(chunks).toString()
          for (const { address } of session.envelope.rcptTo) mails.push(readMail(address, raw))
          if (mood !== 'never confirms') done()
        })
      },
    })
    opened.on('error', () => undefined) // a client that went away
    opened.server.on('connection', (socket: Socket) => {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket)).on('error', () => undefined)
    })
    opened.listen(port, '127.0.0.1')
    await once(opened.server, 'listening')
    return opened
  }

  async function close(): Promise<void> {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    for (const socket of sockets) socket.destroy()
    await closed
  }

  return {
    url: `smtp://127.0.0.1:${port}`,
    mails,

    /** As a restart would: whoever is connected is cut off. */
    async become(next: Mood): Promise<void> {
      if (mood !== 'refuses') await close()
      if (next !== 'refuses') server = await open(port)
      mood = next
    },

    /** The oldest mail to an address that was not read yet, as soon as it is there. */
    async next(to: string): Promise<Mail> {
      const find = () => mails.find((mail) => mail.to === to && !read.has(mail))
      await until(() => find() !== undefined, `a mail to ${to}`)
      const mail = find()!
      read.add(mail)
      return mail
    },
  }
}

/** The service, listening, with ACTIVATION=required and a sink for its mail. */
export async function mailingApp(t: Test, env: Record<string, string> = {}) {
  const sink = await smtpSink(t)
  const settings = { ACTIVATION: 'required', MAIL_URL: sink.url, ...env }
  const { origin, sql } = await listeningApp(t, { env: settings })

  async function call(
    method: string,
    path: string,
    body?: object,
    token?: string,
  ): Promise<Answer<Json>> {
    const answer = await fetch(origin + path, {
      method,
      headers: {
        ...(body && { 'content-type': 'application/json' }),
        ...(token && bearer(token)),
      },
      ...(body && { body: JSON.stringify(body) }),
    })
    return { status: answer.status, headers: answer.headers, body: JSON.parse(await answer.text()) }
  }

  const post = (path: string, body: object, token?: string) => call('POST', path, body, token)

  return {
    sink,
    origin,
    sql,
    call,
    post,

    /** An account that was activated. */
    async activeAccount(account: { email: string; password: string }): Promise<void> {
      await post('/api/register', account)
      const { token } = await sink.next(account.email)
      const { status } = await post('/api/activate', { token })
      if (status !== 200) throw new Error(`activating answered ${status}`)
    },

    /** Every message that was put down has been dealt with. */
    untilSent: () =>
      until(async () => (await sql('select from outbox')).length === 0, 'an empty outbox'),

    /** Those that failed are due at once, though not those that are being sent. */
    async hurry(): Promise<void> {
      await hurry(sql)
    },
  }
}

/** Brings forward what was put off; what somebody holds at the moment stays theirs. */
export async function hurry(sql: TestApp['sql']): Promise<void> {
  const isHeld = `due_at > now() + interval '40 s'`
  const held = () => sql(`select from outbox where ${isHeld}`)
  await until(async () => (await held()).length === 0, 'the end of every try')
  // The worker may have begun another try in the meantime.
  await sql(`update outbox set due_at = now() where not (${isHeld})`)
}

function readMail(to: string, raw: string): Mail {
  const [folded = ''] = raw.split('\r\n\r\n', 1)
  const head = folded.replace(/\r\n[ \t]+/g, ' ')
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'im').exec(head)?.[1]?.trim() ?? ''
  const text = plainText(raw)
  const link = /https?:\/\/\S+/.exec(text)?.[0] ?? ''
  const token = link && (new URL(link).searchParams.get('token') ?? '')
  const code = /^Code: (\d+)\s*$/m.exec(text)?.[1] ?? ''
  return {
    to,
    id: field('message-id'),
    subject: field('subject'),
    head,
    text,
    raw,
    link,
    token,
    code,
  }
}

/** The plain part of a mail (RFC 2045). */
function plainText(raw: string): string {
  const part = /^(content-type: text\/plain[^]*?)\r\n\r\n([^]*?)\r\n--/im.exec(raw)
  const [, head = '', body = ''] = part ?? []
  const coding = /content-transfer-encoding: *(\S+)/i.exec(head)?.[1]?.toLowerCase()
  if (coding === 'base64') return Buffer.from(body, 'base64').toString()
  if (coding !== 'quoted-printable') return body
  const bytes = body
    .replace(/=\r\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_all, hex: string) => String.fromCharCode(parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1').toString()
}
