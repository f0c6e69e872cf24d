import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { bearer } from '../../support/app.js'
import { mailingApp } from '../../support/smtp-sink.js'
import { until } from '../../support/until.js'

const secret = 'a-long-enough-Secret-of-the-webhook-9876543210'
const mobile = '+442079460000'
const password = 'correct horse battery'

t.test('a mobile number takes the same way as an e-mail address', async (t) => {
  const { post, call, phone } = await withPhone(t)
  t.equal((await post('/api/register', { mobile, password })).status, 201)
  t.match(await post('/api/login', { mobile, password }), { body: { code: 'activation_required' } })
  const { code } = await phone.next(mobile)
  t.equal((await post('/api/activate', { mobile: '+44 20 7946 0000', code })).status, 200)
  const { access_token } = (await post('/api/login', { mobile, password })).body

  await post('/api/password/forgot', { mobile })
  const reset = await phone.next(mobile)
  const new_password = 'a better horse battery'
  t.equal((await post('/api/password/reset', { token: reset.token, new_password })).status, 200)
  t.equal((await call('GET', '/api/user', undefined, access_token)).status, 401)
  t.match(await phone.next(mobile), { text: /password was changed$/, code: '' })

  const login = (number: string) => post('/api/login', { mobile: number, password: new_password })
  const other = '+15550100'
  const { body } = await login(mobile)
  const changed = await call('PATCH', '/api/user', { mobile: other }, body.access_token)
  t.same(changed.body.pending, ['mobile'])
  const confirmation = await phone.next(other)
  t.equal((await login(mobile)).status, 200, 'the old number until then')
  const confirmed = await post('/api/user/confirm', { mobile: other, code: confirmation.code })
  t.equal(confirmed.status, 200)
  t.equal((await login(mobile)).status, 401)
  t.equal((await login(other)).status, 200)
  t.match((await phone.next(mobile)).text, /has another mobile number$/)
})

t.test('every short message is signed as Standard Webhooks says', async (t) => {
  const { post, phone } = await withPhone(t)
  await post('/api/register', { mobile, password })
  const { headers, body } = await phone.next(mobile)
  t.equal(headers['content-type'], 'application/json')
  t.match(headers['webhook-id'], /^[\w-]{36}\.1$/)
  t.ok(Math.abs(Date.now() / 1_000 - Number(headers['webhook-timestamp'])) < 60)
  t.ok(isSigned(headers, body))
  t.notOk(isSigned(headers, body.replace(mobile, '+15550100')))
  t.notOk(isSigned({ ...headers, 'webhook-timestamp': '1' }, body))
  t.notOk(isSigned({ ...headers, 'webhook-id': 'another' }, body))
})

t.test('a webhook that was down gets the message later, as a new try', async (t) => {
  const { post, phone, hurry, untilSent } = await withPhone(t)
  phone.status = 503
  await post('/api/register', { mobile, password })
  const first = await phone.next(mobile)
  phone.status = 204
  await hurry()
  const second = await phone.next(mobile)
  await untilSent()
  t.equal(second.headers['webhook-id'], first.headers['webhook-id']?.toString().replace(/1$/, '2'))
  t.not(second.code, first.code, 'so that it is not taken for a repetition')
  t.equal((await post('/api/activate', { mobile, code: second.code })).status, 200)
})

t.test('a webhook cannot send the message on to another host', async (t) => {
  const { post, phone, sql } = await withPhone(t)
  const elsewhere = await listen(t)
  phone.redirectTo = elsewhere.url
  await post('/api/register', { mobile, password })
  await phone.next(mobile)
  const failed = `select from outbox where attempts = 1 and due_at < now() + interval '40 s'`
  await until(async () => (await sql(failed)).length === 1, 'a failed try')
  t.same(elsewhere.messages, [])
})

t.test('who has both addresses hears at the e-mail address, and may leave the other', async (t) => {
  const { sink, post, origin, phone } = await withPhone(t)
  const email = 'ada@example.org'
  await post('/api/register', { email, mobile, password })
  const { token } = await sink.next(email)
  await post('/api/activate', { token })
  t.same(phone.messages, [])
  const { access_token } = (await post('/api/login', { mobile, password })).body
  const answer = await fetch(`${origin}/api/user`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json', ...bearer(access_token) },
    body: JSON.stringify({ mobile: null }),
  })
  t.match(await answer.json(), { user: { email, mobile: null }, pending: [] })
  t.match((await phone.next(mobile)).text, /has another mobile number$/)
  t.equal((await post('/api/login', { mobile, password })).status, 401)
})

type Message = { headers: IncomingHttpHeaders; body: string } & {
  to: string
  text: string
  code: string
  token: string
}

async function withPhone(t: Test) {
  const phone = await listen(t)
  const env = { SMS_WEBHOOK_URL: phone.url, SMS_WEBHOOK_SECRET: secret }
  return { phone, ...(await mailingApp(t, env)) }
}

/** What stands behind SMS_WEBHOOK_URL: takes only what is signed. */
async function listen(t: Test) {
  const messages: Message[] = []
  const phone = {
    url: '',
    status: 204,
    redirectTo: '',
    messages,
    async next(to: string): Promise<Message> {
      const find = () => messages.findIndex((message) => message.to === to)
      await until(() => find() >= 0, `a short message to ${to}`)
      return messages.splice(find(), 1)[0]!
    },
  }
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString()
      const { headers } = request
      if (isSigned(headers, body)) messages.push({ headers, body, ...read(body) })
      const location = phone.redirectTo && { location: phone.redirectTo }
      response.writeHead(location ? 307 : phone.status, { ...location }).end()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close().closeAllConnections())
  phone.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/sms`
  return phone
}

function read(body: string) {
  const { type, data } = JSON.parse(body) as { type: string; data: { to: string; text: string } }
  if (type !== 'sms') throw new Error(`a message of type ${type}`)
  const code = /: (\d{8}) /.exec(data.text)?.[1] ?? ''
  const token = /\?token=([\w-]+)$/.exec(data.text)?.[1] ?? ''
  return { ...data, code, token }
}

function isSigned(headers: IncomingHttpHeaders, body: string): boolean {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp } = headers
  const signed = `${String(id)}.${String(timestamp)}.${body}`
  const signature = createHmac('sha256', secret).update(signed).digest('base64')
  return headers['webhook-signature'] === `v1,${signature}`
}
