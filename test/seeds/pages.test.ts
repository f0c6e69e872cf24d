import sharp from 'sharp'
import t, { type Test } from 'tap'
import { ada, bearer, listeningApp, signUp } from '../support/app.js'
import {
  browserSession,
  fromAnotherSite,
  fromOwnPage,
  type Answered,
  type BrowserSession,
} from '../support/browser-session.js'

const name = 'Ada Lovelace'
const form = { username: ada.email, password: ada.password }

async function visitor(t: Test) {
  const test = await listeningApp(t)
  await signUp(test.app, { ...ada, name })
  return { ...test, browser: browserSession(test.origin) }
}

async function signedIn(t: Test) {
  const test = await visitor(t)
  const { status } = await test.browser.post('/login', form)
  if (status !== 303) throw new Error(`the login form answered ${status}`)
  const token = test.browser.cookies.get('session') ?? ''
  const isAlive = async () =>
    (await fetch(`${test.origin}/api/user`, { headers: bearer(token) })).status === 200
  return { ...test, isAlive }
}

t.test('the home page greets the world, and who is signed in by name', async (t) => {
  const { browser } = await visitor(t)
  const before = await browser.get('/')
  t.equal(before.status, 200)
  t.match(before.headers.get('content-type'), /^text\/html/)
  t.match(before.html, '<h1>Hello, World!</h1>')
  await browser.post('/login', form)
  const after = await browser.get('/')
  t.equal(after.status, 200)
  t.match(after.html, `<h1>Hello, ${name}!</h1>`)
  t.match(after.html, 'href="/logout"')
})

t.test('the login form, filled in right, leads home with the cookie', async (t) => {
  const { browser, origin } = await visitor(t)
  const shown = await browser.get('/login')
  t.equal(shown.status, 200)
  t.match(shown.html, '<form method="post" action="/login">')
  const answer = await browser.post('/login', form)
  t.equal(answer.status, 303)
  t.equal(answer.location, '/')
  const session = answer.headers.getSetCookie().find((line) => line.startsWith('session='))
  t.match(session, /; Path=\/; HttpOnly; SameSite=Lax$/)
  const me = await fetch(`${origin}/api/user`, {
    headers: { cookie: `session=${browser.cookies.get('session')}` },
  })
  t.match(await me.json(), { user: { email: ada.email } })
})

t.test('filled in wrong, it comes again with the error, and without the password', async (t) => {
  const { browser } = await visitor(t)
  const wrong = await browser.post('/login', { ...form, password: 'a wrong horse battery' })
  t.equal(wrong.status, 401)
  t.match(wrong.html, '<p role="alert" id="fault">Invalid credentials.</p>')
  t.match(wrong.html, `value="${ada.email}"`)
  t.notMatch(wrong.html, 'a wrong horse battery')
  t.notOk(browser.cookies.has('session'))
  const unknown = await browser.post('/login', { ...form, username: 'eve@example.org' })
  t.equal(unknown.status, 401)
  t.equal(unknown.html.replace('eve@example.org', ada.email), wrong.html)
})

t.test('the welcome page sends a visitor to the login page, which says why once', async (t) => {
  const { browser } = await visitor(t)
  const sent = await browser.get('/welcome')
  t.equal(sent.status, 303)
  t.equal(sent.location, '/login?next=%2Fwelcome')
  const flash = '<p role="status">Log in first, please.</p>'
  t.match((await browser.get(sent.location ?? '')).html, flash)
  t.notMatch((await browser.get(sent.location ?? '')).html, flash)

  const back = await browser.post('/login', { ...form, next: '/welcome' })
  t.equal(back.location, '/welcome')
  const welcome = await browser.get('/welcome')
  t.equal(welcome.status, 200)
  t.match(welcome.html, `<h1>Welcome, ${name}!</h1>`)
  t.match(welcome.html, `<dd>${ada.email}</dd>`)
})

const logouts: Record<string, (browser: BrowserSession) => Promise<Answered>> = {
  'the link of a page': (browser) => browser.get('/logout', fromOwnPage),
  'a script': (browser) => browser.get('/logout', { accept: '*/*' }),
  'a form': (browser) => browser.post('/logout'),
}
for (const [how, logOut] of Object.entries(logouts)) {
  t.test(`logout by ${how} ends the session, and says so once`, async (t) => {
    const { browser, isAlive } = await signedIn(t)
    const refresh = browser.cookies.get('refresh') ?? ''
    const answer = await logOut(browser)
    t.equal(answer.status, 303)
    t.equal(answer.location, '/')
    t.notOk(browser.cookies.has('session'))
    t.notOk(browser.cookies.has('refresh'))
    t.equal(await isAlive(), false, 'the token is dead')
    const home = await browser.get('/')
    t.match(home.html, '<p role="status">You have logged out.</p>')
    t.match(home.html, 'Hello, World!')
    t.notMatch((await browser.get('/')).html, 'role="status"')
    browser.cookies.set('refresh', refresh)
    t.match((await browser.get('/')).html, 'Hello, World!', 'and so is the other token')
  })
}

for (const [what, headers] of Object.entries(fromAnotherSite)) {
  t.test(`another site signs nobody out (${what})`, async (t) => {
    const { browser, isAlive } = await signedIn(t)
    const asked = await browser.get('/logout', headers)
    t.equal(asked.status, 200)
    t.match(asked.html, /Do you want to log out\?[^]*<form method="post">/)
    t.strictSame(asked.setCookies, [])
    const posted = await browser.post('/logout', {}, headers)
    t.equal(posted.status, 403)
    t.strictSame(posted.setCookies, [])
    t.equal(await isAlive(), true)
    t.equal((await browser.post('/logout')).status, 303, 'the button on that page does')
    t.equal(await isAlive(), false)
  })
}

t.test('the register page makes an account, and logs in to it', async (t) => {
  const { origin } = await listeningApp(t)
  const browser = browserSession(origin)
  t.equal((await browser.get('/register')).status, 200)
  const account = { name: 'Eve', username: '', email: 'eve@example.org', password: ada.password }
  const answer = await browser.post('/register', account)
  t.equal(answer.status, 303)
  t.equal(answer.location, '/')
  const home = await browser.get('/')
  t.match(home.html, 'Your account is ready, and you are logged in.')
  t.match(home.html, 'Hello, Eve!')
  const another = browserSession(origin)
  await another.post('/login', { username: account.email, password: account.password })
  t.match((await another.get('/')).html, 'Hello, Eve!', 'the login page takes it too')
})

t.test('a registration at fault comes again with what was typed and what is wrong', async (t) => {
  const { browser, sql } = await visitor(t)
  const taken = await browser.post('/register', { name: 'Eve', ...ada })
  t.equal(taken.status, 409)
  t.match(taken.html, 'This e-mail address is already used.')
  t.match(taken.html, 'value="Eve"')
  const account = { name: 'Eve', email: 'eve@example.org', password: 'short' }
  const weak = await browser.post('/register', account)
  t.equal(weak.status, 400)
  t.match(weak.html, 'Password must have at least 8 characters.')
  t.strictSame(await sql('select email from users'), [{ email: ada.email }])
})

t.test('the form on the welcome page sets the picture that the page shows', async (t) => {
  const { browser, origin } = await signedIn(t)
  t.notMatch((await browser.get('/welcome')).html, '<img')
  const create = { width: 40, height: 20, channels: 3, background: 'teal' } as const
  const fields = new FormData()
  fields.append('picture', new Blob([await sharp({ create }).png().toBuffer()]), 'me.png')
  const answer = await browser.post('/welcome/picture', fields)
  t.equal(answer.status, 303)
  t.equal(answer.location, '/welcome')
  const { html } = await browser.get('/welcome')
  t.match(html, 'Your picture was set.')
  const [, source = ''] = /<img src="(\/[^"]+)" alt="Your picture">/.exec(html) ?? []
  const served = await fetch(origin + source.replaceAll('&amp;', '&'))
  t.equal(served.headers.get('content-type'), 'image/webp')

  const none = new FormData()
  none.append('picture', new Blob(['no picture']), 'me.png')
  const refused = await browser.post('/welcome/picture', none)
  t.equal(refused.status, 422)
  t.match(refused.html, 'role="alert"')
  t.match((await browser.get('/welcome')).html, source)

  t.equal((await browser.post('/welcome/picture/remove')).location, '/welcome')
  const bare = await browser.get('/welcome')
  t.match(bare.html, 'Your picture was removed.')
  t.notMatch(bare.html, /<img|picture\/remove/)
  t.equal((await browser.post('/welcome/picture/remove')).status, 404, 'it is gone already')
})
