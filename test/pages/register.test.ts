import t from 'tap'
import { ada, listeningApp } from '../support/app.js'
import { browserSession } from '../support/browser-session.js'
import { until } from '../support/until.js'

const { password } = ada
const limited = { RATE_LIMIT: 'on', RATE_LIMIT_REGISTER: '3/1h' }

t.test('registering logs in, and goes to next', async (t) => {
  const { origin, sql } = await listeningApp(t)
  for (const name of [{ email: 'eve@example.org' }, { username: 'eve' }]) {
    const browser = browserSession(origin)
    const account = { email: '', username: '', ...name, password, next: '/welcome?from=register' }
    const { status, location, setCookies } = await browser.post('/register', account)
    t.strictSame({ status, location }, { status: 303, location: '/welcome?from=register' })
    t.match(new Set(setCookies), new Set(['session', 'refresh', 'device', 'flash']))
    t.match((await browser.get('/welcome')).html, 'Your account is ready, and you are logged in.')
  }
  const events = await sql('select event from audit_log order by id')
  const expected = ['user.registered', 'login.succeeded', 'user.registered', 'login.succeeded']
  t.strictSame(
    events.map(({ event }) => event),
    expected,
  )
})

t.test('a registration counts, although it logs in', async (t) => {
  const { origin } = await listeningApp(t, { env: limited })
  const statuses = []
  for (const name of ['a', 'b', 'c', 'd']) {
    const account = { email: `${name}@example.org`, password }
    statuses.push((await browserSession(origin).post('/register', account)).status)
  }
  t.strictSame(statuses, [303, 303, 303, 429])
})

t.test('if a limit refuses the login, the login page says that the account is ready', async (t) => {
  const { origin } = await listeningApp(t, { env: limited })
  const eve = { email: 'eve@example.org', password }
  const browser = browserSession(origin)
  for (let guess = 0; guess < 6; guess++) {
    await browser.post('/login', { username: eve.email, password: 'a wrong battery' })
  }
  const { status, location } = await browser.post('/register', { ...eve, next: '/welcome' })
  t.strictSame({ status, location }, { status: 303, location: '/login?next=%2Fwelcome' })
  t.notOk(browser.cookies.has('session'))
  const page = await browser.get('/login?next=%2Fwelcome')
  t.match(page.html, 'Your account is ready. Log in with it.')
})

t.test('with ACTIVATION=required the reply does not tell a taken address', async (t) => {
  const { origin, sql } = await listeningApp(t, { env: { ACTIVATION: 'required' } })
  const untilSent = () =>
    until(async () => (await sql('select from outbox')).length === 0, 'an empty outbox')
  const register = async (email: string) => {
    await untilSent()
    const browser = browserSession(origin)
    const { status, location, html, setCookies } = await browser.post('/register', {
      email,
      password,
      next: '/welcome',
    })
    const page = await browser.get(location ?? '')
    return { status, location, html, setCookies, page: page.html }
  }
  const free = await register(ada.email)
  t.match(free, { status: 303, location: '/login?next=%2Fwelcome' })
  t.match(free.page, 'We sent you a message. Use it to activate your account.')
  t.notMatch(free.setCookies.join(), /session|refresh|device/)
  t.strictSame(await register(ada.email), free, 'one that waits for its activation')
  await sql('update users set activated_at = now()')
  t.strictSame(await register(ada.email), free, 'an active one')
  t.strictSame(await sql('select id from sessions'), [])
})

t.test('"Welcome back" greets only a user who has logged in before', async (t) => {
  const { origin, app } = await listeningApp(t)
  await app.inject({ method: 'POST', url: '/api/register', payload: ada })
  const greeting = async () => {
    const browser = browserSession(origin)
    await browser.post('/login', { username: ada.email, password })
    return /<p role="status">(.*?)<\/p>/.exec((await browser.get('/')).html)?.[1]
  }
  t.equal(await greeting(), 'You are logged in.')
  t.equal(await greeting(), 'Welcome back.')
})

t.test('the page shows the fault of every field beside it', async (t) => {
  const { origin, sql } = await listeningApp(t)
  const browser = browserSession(origin)
  const typed = { name: 'a\r\nb', username: '-', email: 'eve', password: 'short' }
  const { status, html } = await browser.post('/register', typed)
  t.equal(status, 400)
  const faults = {
    name: 'Name must be one line of at most 200 characters.',
    username: 'Username must be 1 to 64 letters and digits',
    email: 'E-mail must be an e-mail address.',
    password: 'Password must have at least 8 characters.',
  }
  for (const [field, sentence] of Object.entries(faults)) {
    t.match(html, `<small class="fault" id="${field}-fault">${sentence}`, field)
  }
  t.strictSame(await sql('select from users'), [])
})

t.test('a form holds a name to the rules of JSON', async (t) => {
  const { origin, sql } = await listeningApp(t)
  const browser = browserSession(origin)
  const account = { email: 'eve@example.org', password }
  for (const name of ['a\r\nBcc: eve@example.org', 'a\u202eb', 'a'.repeat(201)]) {
    const { status, html } = await browser.post('/register', { ...account, name })
    t.equal(status, 400)
    t.match(html, 'Name must be one line of at most 200 characters.')
  }
  t.strictSame(await sql('select from users'), [])
  t.equal((await browser.post('/register', { ...account, name: '😀'.repeat(200) })).status, 303)
})

t.test('a form that cannot be read is answered with a sentence for each field', async (t) => {
  const { origin } = await listeningApp(t)
  const form = { name: 'a'.repeat(1_025), role: 'admin', password }
  const { status, html } = await browserSession(origin).post('/register', form)
  t.equal(status, 400)
  t.match(html, '&quot;role&quot; is not a known field. Name must have at most 1,024 characters.')
})
