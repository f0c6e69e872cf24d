import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { nameOfBrowser } from '../../src/http/browser-name.js'
import { ada, listeningApp, signUp } from '../support/app.js'
import { browserSession } from '../support/browser-session.js'
import { withPasskey } from '../support/passkeys.js'

const eve = { email: 'eve@example.org', password: ada.password }

async function signedIn(t: Test) {
  const test = await listeningApp(t)
  await signUp(test.app, { ...ada, name: 'Ada' })
  const open = async ({ email, password }: typeof eve = ada) => {
    const browser = browserSession(test.origin)
    await browser.post('/login', { username: email, password })
    return browser
  }
  return { ...test, open, browser: await open() }
}

const sessionIn = (html: string) => [...html.matchAll(/sessions\/([0-9a-f-]{36})\/end/g)]

t.test('the account page shows profile, sessions and events, to its user only', async (t) => {
  const { browser, origin } = await signedIn(t)
  const { status, html, headers } = await browser.get('/account')
  t.equal(status, 200)
  t.equal(headers.get('cache-control'), 'no-store')
  t.match(html, `<dd>${ada.email}</dd>`)
  t.equal(sessionIn(html).length, 2, 'this one and that of the registration')
  t.match(html, '(this browser)')
  t.match(html, /What happened lately[^]*Login[^]*Account made/)
  t.notMatch(html, '<script')
  for (const path of ['', '/profile', '/password', '/delete']) {
    const sent = await browserSession(origin).get(`/account${path}`)
    t.equal(sent.location, `/login?next=${encodeURIComponent(`/account${path}`)}`)
  }
  t.match((await browser.get('/welcome')).html, 'href="/account"')
})

t.test(
  'the header of each page of the account names its user, not the way to log in',
  async (t) => {
    const { browser } = await signedIn(t)
    const header = '<a href="/welcome">Ada</a>\n<a href="/logout">Log out</a>\n</header>'
    const pages = ['/account', '/account/profile', '/account/passkeys', '/second-factor']
    for (const path of [...pages, '/welcome', '/welcome/api-keys', '/device', '/']) {
      t.match((await browser.get(path)).html, header, path)
    }
    for (const path of ['/account/passkeys/begin', '/second-factor/begin', '/device']) {
      t.match((await browser.post(path)).html, header, path)
    }
    t.match(
      (await browser.post(`/account/sessions/${randomUUID()}/end`)).html,
      header,
      'a page of an error',
    )
  },
)

t.test('the account page says how many sessions it does not show', async (t) => {
  const { browser, open } = await signedIn(t)
  t.notMatch((await browser.get('/account')).html, ' more, which')
  for (let count = 0; count < 21; count += 1) await open()
  const { html } = await browser.get('/account')
  t.equal(sessionIn(html).length, 20)
  t.match(html, '<p>And 3 more, which were used less lately.</p>')
})

t.test('connected logins are there if the service has providers', async (t) => {
  const github = { GITHUB_CLIENT_ID: 'an-id', GITHUB_CLIENT_SECRET: 'a-secret' }
  for (const [env, isThere] of [
    [{}, false],
    [github, true],
  ] as const) {
    const { app, origin } = await listeningApp(t, { env })
    await signUp(app)
    const browser = browserSession(origin)
    await browser.post('/login', { username: ada.email, password: ada.password })
    const { html } = await browser.get('/account')
    t.equal(html.includes('href="/welcome">Connected logins</a>'), isThere)
    t.equal(html.includes('<dt>Connected logins</dt>'), isThere)
  }
})

t.test('each page of the account leads back to it, and a hint belongs to its field', async (t) => {
  const { browser } = await signedIn(t)
  const pages = ['profile', 'password', 'delete', 'passkeys'].map((name) => `/account/${name}`)
  for (const path of [...pages, '/second-factor', '/welcome/api-keys'])
    t.match((await browser.get(path)).html, '<a href="/account">Your account</a>', path)
  const { html } = await browser.get('/account/password')
  t.match(html, /aria-describedby="new_password-hint"[^]*<small id="new_password-hint">/)
})

t.test('the account page names passkeys, and each button the session that it ends', async (t) => {
  const service = await listeningApp(t)
  await withPasskey(service)
  const browser = browserSession(service.origin)
  await browser.post('/login', { username: ada.email, password: ada.password })
  const { html } = await browser.get('/account')
  t.match(html, /<dt>Passkeys<\/dt><dd>Passkey<\/dd>/)
  t.match(
    html,
    '<button class="other" aria-label="Log out this browser">Log out this browser</button>',
  )
  t.match(html, /aria-label="Log out .+, since 20[\d-]+ [\d:]+ UTC">Log out<\/button>/)
})

t.test('a user changes the profile, and another address only with a proof', async (t) => {
  const { browser, sql } = await signedIn(t)
  const form = (await browser.get('/account/profile')).html
  t.match(form, `value="${ada.email}"`)
  const profile = { name: 'Ada L.', username: 'ada', email: ada.email, mobile: '', password: '' }
  t.equal((await browser.post('/account/profile', profile)).location, '/account')
  t.match((await browser.get('/account')).html, 'Your profile was changed.')
  t.match(await sql('select name, username from users'), [{ name: 'Ada L.', username: 'ada' }])
  await sql("update sessions set created_at = now() - interval '1 hour', auth_time = null")
  const moved = { ...profile, email: 'new@example.org' }
  const refused = await browser.post('/account/profile', moved)
  t.equal(refused.status, 403)
  t.match(refused.html, 'value="new@example.org"')
  const wrong = await browser.post('/account/profile', { ...moved, password: 'wrong horse' })
  t.equal(wrong.status, 401)
  t.notMatch(wrong.html, 'wrong horse')
  await browser.post('/account/profile', { ...moved, password: ada.password })
  t.match((await browser.get('/account')).html, 'Confirm the new address')
  t.match(
    await sql('select email from users'),
    [{ email: ada.email }],
    'not before it is confirmed',
  )
  t.equal((await browser.post('/account/profile', {})).status, 303, 'a form without a field')
})

t.test(
  'a change of the password needs the present one, and ends every other session',
  async (t) => {
    const { browser, open } = await signedIn(t)
    const other = await open()
    const new_password = 'another horse battery'
    const wrong = await browser.post('/account/password', { old_password: 'x', new_password })
    t.equal(wrong.status, 401)
    const weak = { old_password: ada.password, new_password: 'short' }
    t.match((await browser.post('/account/password', weak)).html, 'aria-invalid')
    const right = { username: ada.email, old_password: ada.password, new_password }
    t.equal((await browser.post('/account/password', right)).location, '/account')
    t.match((await browser.get('/account')).html, 'Your password was changed')
    t.equal((await other.get('/account')).status, 303)
  },
)

t.test('a user ends one session, all others, and never one of another user', async (t) => {
  const { app, browser, open } = await signedIn(t)
  await signUp(app, eve)
  const thief = await open(eve)
  const other = await open()
  const ids = sessionIn((await browser.get('/account')).html).map(([, id]) => id)
  t.equal(ids.length, 3)
  for (const id of ids) {
    t.equal((await thief.post(`/account/sessions/${id}/end`, {})).status, 404)
  }
  const foreign = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }
  for (const path of ['sessions/end-others', 'profile', 'password', 'delete']) {
    t.equal((await browser.post(`/account/${path}`, {}, foreign)).status, 403, path)
  }
  const [own = ''] = sessionIn((await other.get('/account')).html)
    .map(([, id = '']) => id)
    .filter((_, at) => at === 0)
  t.equal((await browser.post(`/account/sessions/${own}/end`, {})).location, '/account')
  t.equal((await other.get('/account')).status, 303, 'it has ended')
  await browser.post('/account/sessions/end-others', {})
  const [[, last = ''] = []] = sessionIn((await browser.get('/account')).html)
  t.equal((await browser.post(`/account/sessions/${last}/end`, {})).location, '/')
  t.equal(browser.cookies.get('session') ?? '', '', 'its own session ends like a logout')
})

t.test('an account is deleted only with its password', async (t) => {
  const { browser, sql } = await signedIn(t)
  for (const [password, status] of [
    ['', 403],
    ['wrong horse battery', 401],
  ] as const) {
    t.equal(
      (await browser.post('/account/delete', { username: ada.email, password })).status,
      status,
    )
  }
  t.equal((await browser.post('/account/delete', { password: ada.password })).location, '/')
  t.match((await browser.get('/')).html, 'Your account was deleted.')
  t.strictSame(await sql('select from users'), [])
})

t.test('events of others tell neither their browser nor their address', async (t) => {
  const { browser, sql } = await signedIn(t)
  await sql(`insert into audit_log (id, event, actor_id, user_id, address, user_agent, request_id, detail)
    select gen_random_uuid(), 'role.granted', gen_random_uuid(), id, '203.0.113.9', 'Firefox/1', null, '{}'
    from users`)
  const { html } = await browser.get('/account')
  t.match(html, '<dd>Role granted</dd>')
  t.notMatch(html, '203.0.113.9')
})

t.test('a browser is named in words, and an odd one as another program', (t) => {
  const mozilla = 'Mozilla/5.0'
  for (const [userAgent, name] of [
    [`${mozilla} (Windows NT 10.0; Win64; x64; rv:140.0) Firefox/140.0`, 'Firefox on Windows'],
    [`${mozilla} (X11; Linux x86_64) Chrome/140.0.0.0 Safari/537.36`, 'Chrome on Linux'],
    [`${mozilla} (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0`, 'Edge on Windows'],
    [`${mozilla} (iPhone; CPU iPhone OS 18_0 like Mac OS X) Safari/604.1`, 'Safari on iOS'],
    [`${mozilla} (Linux; Android 15) Chrome/140.0 Mobile Safari/537.36`, 'Chrome on Android'],
    [`${mozilla} (Macintosh; Intel Mac OS X 10_15_7) Safari/605.1.15`, 'Safari on macOS'],
    ['curl/7.88.1', 'curl'],
    [null, 'Another program'],
    ['<script>alert(1)</script>', 'Another program'],
  ] as const) {
    t.equal(nameOfBrowser(userAgent), name)
  }
  t.end()
})
