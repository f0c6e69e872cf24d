import { request, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { ada, keysSecret, listeningApp, testApp } from '../support/app.js'
import { mailingApp } from '../support/smtp-sink.js'
import { until } from '../support/until.js'

const host = 'localhost:3000'

/** A page as a browser on this machine gets it that has opened PUBLIC_URL. */
async function open(origin: string, path: string, name = host) {
  const { hostname, port } = new URL(origin)
  const sent = request({ hostname, port, path, headers: { host: name, accept: 'text/html' } }).end()
  const answer = await new Promise<IncomingMessage>((resolve) => sent.on('response', resolve))
  return { status: answer.statusCode, headers: answer.headers, html: await text(answer) }
}

t.test('a developer sees each message as it looks, and sends nothing', async (t) => {
  const { app, origin, sql } = await listeningApp(t, { env: { ACTIVATION: 'required' } })
  t.match((await open(origin, '/dev/mail')).html, 'No message yet')
  const name = '<script>alert(1)</script>'
  await app.inject({ method: 'POST', url: '/api/register', payload: { ...ada, name } })
  await until(async () => (await sql('select from outbox')).length === 0, 'an empty outbox')
  const { html } = await open(origin, '/dev/mail')
  t.match(html, 'Activate your Gatehouse account')
  t.match(html, ada.email)
  t.match(html, /Code: \d{8}/)
  const [, link] = /href="(http:[^"]+token=[^"]+)"/.exec(html) ?? []
  const mail = await open(origin, '/dev/mail/1')
  t.equal(mail.status, 200)
  t.match(mail.html, link ?? 'a link')
  t.match(mail.headers['content-security-policy'], /^default-src 'none'; .*sandbox$/)
  for (const missing of ['/dev/mail/2', '/dev/mail/x']) {
    t.equal((await open(origin, missing)).status, 404)
  }
})

t.test('mail that is sent is shown too', async (t) => {
  const { origin, post, sink } = await mailingApp(t)
  await post('/api/register', ada)
  const { code } = await sink.next(ada.email)
  t.match((await open(origin, '/dev/mail')).html, `Code: ${code}`)
})

t.test('another host name or another machine gets 404', async (t) => {
  const { app, origin } = await listeningApp(t)
  for (const name of [
    'evil.example',
    'localhost',
    '127.0.0.1:3000',
    'localhost:3000.evil.example',
  ]) {
    t.equal((await open(origin, '/dev/mail', name)).status, 404, name)
  }
  const from = async (remoteAddress: string, headers = {}) =>
    (await app.inject({ url: '/dev/mail', remoteAddress, headers: { host, ...headers } }))
      .statusCode
  t.equal(await from('127.0.0.1'), 200)
  t.equal(await from('::ffff:127.0.0.1'), 200)
  t.equal(await from('203.0.113.9'), 404)
  t.equal(await from('203.0.113.9', { 'x-forwarded-for': '127.0.0.1' }), 404)
})

t.test('there is no such page in production, or where people use the service', async (t) => {
  const environments: Record<string, string>[] = [
    { PUBLIC_URL: 'https://auth.example.org' },
    {
      NODE_ENV: 'production',
      KEYS_SECRET: keysSecret,
      MAIL_URL: 'smtp://127.0.0.1:1',
      RATE_LIMIT: 'on',
      ARGON2_MEMORY: '19456',
      ARGON2_ITERATIONS: '2',
    },
  ]
  for (const env of environments) {
    const { app } = await testApp(t, { env })
    for (const url of ['/dev/mail', '/dev/mail/1'])
      t.notOk(app.hasRoute({ method: 'GET', url }), url)
  }
})
