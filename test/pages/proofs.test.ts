import t, { type Test } from 'tap'
import { browserSession } from '../support/browser-session.js'
import { mailingApp } from '../support/smtp-sink.js'

const account = { email: 'ada@example.org', password: 'correct horse battery' }
const new_password = 'a better horse battery'
const expired = 'This link has expired, or it was used already.'

async function site(t: Test) {
  const service = await mailingApp(t)
  return { ...service, browser: browserSession(service.origin) }
}

t.test(
  'a link says that it is used up before a password is typed, and offers another',
  async (t) => {
    const { activeAccount, browser, post, sink, sql } = await site(t)
    await activeAccount(account)
    await post('/api/password/forgot', { email: account.email })
    const { link, token } = await sink.next(account.email)
    const path = link.slice(link.indexOf('/reset'))

    for (const nth of [1, 2]) {
      const valid = await browser.get(path)
      t.match(valid.html, `name="token" value="${token}"`, `opening it uses nothing up (${nth})`)
      t.notMatch(valid.html, expired)
    }
    t.equal((await browser.post('/reset', { token, new_password })).status, 200)
    for (const bad of [path, '/reset', '/reset?token=unknown', '/activate', '/confirm']) {
      const page = await browser.get(bad)
      t.match(page.html, expired, bad)
      t.notMatch(page.html, /type="password"|name="token"/, bad)
    }
    t.match((await browser.get(path)).html, '<form method="post" action="/forgot">')
    t.match((await browser.get('/activate')).html, '<form method="post" action="/activate/resend">')
    const again = await browser.post('/reset', { token, new_password })
    t.equal(again.status, 400)
    t.match(again.html, expired)

    await post('/api/password/forgot', { email: account.email })
    const late = await sink.next(account.email)
    await sql("update one_time_codes set link_expires_at = now() - interval '1 second'")
    t.match((await browser.get(`/reset?token=${late.token}`)).html, expired)
  },
)

t.test('the page after a request takes the code, and sends the message again', async (t) => {
  const { activeAccount, browser, logIn, sink } = await site(t).then((site) => ({
    ...site,
    logIn: (password: string) => site.post('/api/login', { ...account, password }),
  }))
  await activeAccount(account)
  const sent = await browser.post('/forgot', { address: account.email })
  t.match(sent.html, '<form method="post" action="/reset/code">')
  t.match(sent.html, `<input type="hidden" name="address" value="${account.email}">`)
  const first = await sink.next(account.email)
  t.match(first.text, /Type the code at \S+\/reset\/code\./)
  await browser.post('/forgot', { address: account.email })
  const { code } = await sink.next(account.email)

  const form = {
    address: account.email,
    code: `${code.slice(0, 4)} ${code.slice(4)}`,
    new_password,
  }
  const weak = await browser.post('/reset/code', { ...form, new_password: 'short' })
  t.equal(weak.status, 400)
  t.match(weak.html, /id="new_password-fault"/)
  t.match(weak.html, `value="${form.code}"`, 'what was typed stays, but for the password')
  t.equal((await browser.post('/reset/code', form)).status, 200)
  t.equal((await logIn(new_password)).status, 200)
  t.equal((await browser.post('/reset/code', form)).status, 400, 'a code works once')
})

t.test('a person activates an account with the code of the message', async (t) => {
  const { browser, post, sink } = await site(t)
  await post('/api/register', account)
  await sink.next(account.email)
  const sent = await browser.post('/activate/resend', { address: account.email })
  t.match(sent.html, '<form method="post" action="/activate/code">')
  const { code, text } = await sink.next(account.email)
  t.match(text, /Type the code at \S+\/activate\/code\./)
  const other = String((Number(code) + 1) % 100_000_000).padStart(8, '0')
  const refusals: [string, string, string][] = [
    [account.email, other, 'The code or link is wrong, used or expired'],
    [account.email, '1234567', 'Code must be eight digits.'],
    ['ada', code, 'E-mail must be an e-mail address.'],
    ['', code, 'E-mail must be an e-mail address.'],
  ]
  for (const [address, typed, fault] of refusals) {
    const refused = await browser.post('/activate/code', { address, code: typed })
    t.equal(refused.status, 400, fault)
    t.match(refused.html, fault)
  }
  t.equal((await browser.post('/activate/code', { address: account.email, code })).status, 200)
  t.equal((await post('/api/login', account)).status, 200)
})
