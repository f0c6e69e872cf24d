import t, { type Test } from 'tap'
import { ada, listeningApp } from '../support/app.js'
import { authenticator, type Authenticator } from '../support/authenticator.js'
import {
  browserSession,
  fromAnotherSite,
  type Answered,
  type BrowserSession,
} from '../support/browser-session.js'
import { codeOf, enrolled } from '../support/factors.js'
import { claimsOf } from '../support/oauth.js'
import { addPasskey, optionsOf, withPasskey } from '../support/passkeys.js'

type Service = Awaited<ReturnType<typeof listeningApp>>
type Fields = Record<string, string>

const answerOf = async (service: Service, device: Authenticator, challenge?: string) =>
  JSON.stringify(device.get(await optionsOf(service, challenge)))

const amrOf = ({ cookies }: BrowserSession) => claimsOf(cookies.get('session') ?? '').amr
const faultOf = ({ html }: Answered) => /<p role="alert" id="fault">([^<]*)/.exec(html)?.[1]
const hiddenOf = ({ html }: Answered, name: string) =>
  new RegExp(`data-passkey[^]*?name="${name}" value="([^"]*)"`).exec(html)?.[1]

async function site(t: Test, device = authenticator(), env: Fields = {}) {
  const service = await listeningApp(t, { env })
  await withPasskey(service, device)
  return { service, device, browser: browserSession(service.origin) }
}

t.test('the login page logs in by a passkey, and goes on to the target', async (t) => {
  const { service, device, browser } = await site(t)
  const page = await browser.get('/login?next=/account&prompt=login')
  t.equal(hiddenOf(page, 'next'), '/account')
  t.equal(hiddenOf(page, 'prompt'), 'login')
  t.match(page.html, /<form[^>]* action="\/login\/passkey"[^>]* hidden>/, 'without a script hidden')
  const credential = await answerOf(service, device)
  const done = await browser.post('/login/passkey', { credential, next: '/account' })
  t.match([done.status, done.location], [303, '/account'])
  t.same(amrOf(browser), ['hwk', 'user', 'mfa'])
  t.match((await browser.get('/account')).html, 'Welcome back.')
})

t.test('a wrong answer is explained on the login page, which works on', async (t) => {
  const { service, device, browser } = await site(t)
  const used = await answerOf(service, device)
  await browser.post('/login/passkey', { credential: used })
  const table: [string, Fields][] = [
    ['no answer', {}],
    ['no JSON', { credential: '{' }],
    ['another shape', { credential: '{"id":5}' }],
    ['an unknown passkey', { credential: await answerOf(service, authenticator()) }],
    ['an answer that was used', { credential: used }],
  ]
  for (const [name, fields] of table) {
    const visitor = browserSession(service.origin)
    const answer = await visitor.post('/login/passkey', { ...fields, next: '/account' })
    t.equal(answer.status, 400, name)
    t.equal(faultOf(answer), 'The passkey was not accepted: try again.', name)
    t.match(answer.html, 'action="/login"', name)
    t.equal(hiddenOf(answer, 'next'), '/account', name)
    t.notOk(visitor.cookies.get('session'), name)
  }
})

t.test('a target on another site is replaced by the home page', async (t) => {
  const { service, device, browser } = await site(t)
  const credential = await answerOf(service, device)
  const next = 'https://evil.example/'
  t.equal((await browser.post('/login/passkey', { credential, next })).location, '/')
})

t.test('no page of another site logs its visitor in by a passkey', async (t) => {
  const { service, device } = await site(t)
  for (const [name, from] of Object.entries(fromAnotherSite)) {
    const visitor = browserSession(service.origin)
    const credential = await answerOf(service, device)
    const { status } = await visitor.post('/login/passkey', { credential }, from)
    t.equal(status, 403, name)
    t.notOk(visitor.cookies.get('session'), name)
  }
})

t.test('the login page counts wrong passkeys, and names the time to wait', async (t) => {
  const { service } = await site(t, authenticator(), { RATE_LIMIT: 'on', RATE_LIMIT_LOGIN: '2/1m' })
  const visitor = browserSession(service.origin)
  let last = await visitor.post('/login/passkey', { credential: '{}' })
  for (let count = 0; count < 3; count += 1) last = await visitor.post('/login/passkey', {})
  t.equal(last.status, 429)
  t.match(last.headers.get('retry-after'), /^\d+$/)
  t.match(last.html, 'action="/login"', 'the page works on')
})

t.test('after the password the page takes a code or a passkey', async (t) => {
  const service = await listeningApp(t)
  const user = await enrolled(service, ada)
  const device = authenticator()
  await addPasskey(service, user.login, device)
  const browser = browserSession(service.origin)
  const logIn = () =>
    browser.post('/login', { username: ada.email, password: ada.password, next: '/account' })

  const asked = await logIn()
  t.equal(asked.status, 403)
  t.match(asked.html, 'action="/login/verify"')
  const challenge = hiddenOf(asked, 'challenge') ?? ''
  const methods = hiddenOf(asked, 'methods') ?? ''
  t.match(methods, /totp.*passkey/)
  const more = { challenge, methods, next: '/account' }
  const wrongCode = await browser.post('/login/verify', { ...more, code: '000000' })
  t.equal(hiddenOf(wrongCode, 'challenge'), challenge, 'the passkey is still offered')
  const wrong = await browser.post('/login/passkey', { ...more, credential: '{}' })
  t.equal(wrong.status, 400)
  t.equal(faultOf(wrong), 'The passkey was not accepted: try again.')
  t.match(wrong.html, 'action="/login/verify"', 'the code still works')
  t.equal(hiddenOf(wrong, 'challenge'), challenge)

  const ask = (path: string, body: object) =>
    fetch(service.origin + path, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'sec-fetch-site': 'same-origin',
        cookie: `challenge=${browser.cookies.get('challenge') ?? ''}`,
      },
      body: JSON.stringify(body),
    }).then((answer) => answer.json() as Promise<{ options: { challenge: string; rpId: string } }>)
  const { options } = await ask('/api/login/passkey/options', { challenge })
  const credential = JSON.stringify(device.get(options))
  const done = await browser.post('/login/passkey', { ...more, credential })
  t.match([done.status, done.location], [303, '/account'])
  t.same(amrOf(browser), ['pwd', 'hwk', 'user', 'mfa'])
  t.notOk(browser.cookies.get('challenge'), 'the challenge is used')
  const late = await browser.post('/login/passkey', { ...more, credential })
  t.match([late.status, late.location], [303, '/login?next=%2Faccount'])
  t.match((await browser.get('/login?prompt=login')).html, 'The login took too long. Start again.')
})

t.test('a passkey that was only touched needs the code too', async (t) => {
  const service = await listeningApp(t)
  const user = await enrolled(service, ada)
  const device = authenticator({ verifies: false })
  await addPasskey(service, user.login, device)
  const browser = browserSession(service.origin)
  const credential = await answerOf(service, device)
  const asked = await browser.post('/login/passkey', { credential, next: '/account' })
  t.equal(asked.status, 403)
  t.notMatch(asked.html, 'data-passkey', 'the same passkey is no second factor')
  const challenge = /name="challenge" value="([^"]+)"/.exec(asked.html)?.[1] ?? ''
  await service.sql('update totp_factors set last_step = 0')
  const code = codeOf(user.key)
  const done = await browser.post('/login/verify', { challenge, code, next: '/account' })
  t.match([done.status, done.location], [303, '/account'])
})

t.test('where only a passkey can follow, the page says what it needs', async (t) => {
  const { service } = await site(t)
  const strict = await listeningApp(t, { url: service.url, env: { MFA: 'required' } })
  const browser = browserSession(strict.origin)
  const asked = await browser.post('/login', { username: ada.email, password: ada.password })
  t.equal(asked.status, 403)
  t.notMatch(asked.html, 'action="/login/verify"')
  t.match(asked.html, 'It needs JavaScript, and a browser that knows passkeys.')
  t.match(asked.html, 'action="/login/passkey"')
})

t.test('a passkey of a disabled account is refused on the page', async (t) => {
  const { service, device, browser } = await site(t)
  await service.sql('update users set disabled_at = now()')
  const refused = await browser.post('/login/passkey', {
    credential: await answerOf(service, device),
  })
  t.equal(refused.status, 400)
  t.equal(faultOf(refused), 'The passkey was not accepted: try again.')
})

t.test('the script is our own, small, and as new as the page', async (t) => {
  const { browser } = await site(t)
  const page = await browser.get('/login')
  t.match(page.html, '<script type="module" src="/passkeys.js"></script>')
  const { status, headers, html } = await browser.get('/passkeys.js')
  t.equal(status, 200)
  t.equal(headers.get('content-type'), 'text/javascript; charset=utf-8')
  t.equal(headers.get('cache-control'), 'public, max-age=0')
  t.ok(html.length < 8_192)
  const etag = headers.get('etag') ?? ''
  t.equal((await browser.get('/passkeys.js', { 'if-none-match': etag })).status, 304)
})
