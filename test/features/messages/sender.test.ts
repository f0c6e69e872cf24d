import t, { type Test } from 'tap'
import { mailingApp } from '../../support/smtp-sink.js'

const account = { email: 'ada@example.org', password: 'correct horse battery' }

/** RFC 5322 and RFC 2047: what a mail says of its sender. */
async function senderOf(test: Test, env: Record<string, string>) {
  const { post, sink } = await mailingApp(test, env)
  await post('/api/register', account)
  const { head } = await sink.next(account.email)
  return /^From: (.*)$/m.exec(head)?.[1]?.trim()
}

t.test('the sender has the name of the application', async (t) => {
  const MAIL_FROM = 'no-reply@example.org'
  const senders: [string, string][] = [
    ['Ada Notes', 'Ada Notes <no-reply@example.org>'],
    ['Notes, Inc. "beta"', '"Notes, Inc. \\"beta\\"" <no-reply@example.org>'],
    ['Zoë', '=?UTF-8?Q?Zo=C3=AB?= <no-reply@example.org>'],
    ['<eve@evil.example>', '"<eve@evil.example>" <no-reply@example.org>'],
  ]
  for (const [APP_NAME, sender] of senders) {
    t.equal(await senderOf(t, { APP_NAME, MAIL_FROM }), sender)
  }
})

t.test('a name in MAIL_FROM is kept', async (t) => {
  const env = { APP_NAME: 'Notes', MAIL_FROM: 'Support <help@example.org>' }
  t.equal(await senderOf(t, env), 'Support <help@example.org>')
})

t.test('mail to an internationalised domain goes to its A-label', async (t) => {
  const { post, sink } = await mailingApp(t)
  await post('/api/register', { ...account, email: 'ada@bücher.example' })
  // The server of the test shows the domain as people write it.
  const { head } = await sink.next('ada@bücher.example')
  t.match(head, /^To: ada@xn--bcher-kva\.example$/m)
})
