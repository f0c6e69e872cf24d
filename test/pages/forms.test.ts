import t, { type Test } from 'tap'
import sharp from 'sharp'
import { ada, listeningApp, signUp } from '../support/app.js'
import { browserSession, fromAnotherSite } from '../support/browser-session.js'
import { until } from '../support/until.js'

const form = { username: ada.email, password: ada.password }

async function withAda(t: Test, env: Record<string, string> = {}) {
  const lines: { to?: string; link?: string; subject?: string }[] = []
  const logTo = { write: (line: string) => void lines.push(JSON.parse(line) as object) }
  const test = await listeningApp(t, { env: { LOG_LEVEL: 'info', ...env }, logTo })
  await signUp(test.app)
  const browser = browserSession(test.origin)
  const untilSent = () =>
    until(async () => (await test.sql('select from outbox')).length === 0, 'an empty outbox')
  return { ...test, browser, messages: () => lines.filter(({ to }) => to !== undefined), untilSent }
}

async function somePicture(): Promise<FormData> {
  const create = { width: 8, height: 8, channels: 3, background: 'teal' } as const
  const fields = new FormData()
  fields.append('picture', new Blob([await sharp({ create }).png().toBuffer()]), 'me.png')
  return fields
}

for (const [what, headers] of Object.entries(fromAnotherSite)) {
  t.test(`a form posted from another site is refused and changes nothing (${what})`, async (t) => {
    const { browser, sql, messages, untilSent } = await withAda(t)
    await browser.post('/forgot', { address: ada.email })
    await untilSent()
    const token = /\/reset\?token=(.+)$/.exec(messages()[0]?.link ?? '')?.[1] ?? ''
    const reset = { token, new_password: 'a better horse battery' }
    const state = async () => [
      await sql('select id, email, password_hash, activated_at from users'),
      await sql('select id, generation from sessions order by id'),
      await sql('select id, message from outbox'),
      await sql('select user_id from pictures'),
    ]
    const post = async (path: string, fields: Record<string, string> | FormData) => {
      const before = await state()
      const answer = await browser.post(path, fields, headers)
      t.equal(answer.status, 403, path)
      t.match(answer.headers.get('content-type'), /^text\/html/, path)
      t.match(answer.html, 'Requests from another site are not allowed', path)
      t.strictSame(answer.setCookies, [], path)
      t.strictSame(await state(), before, path)
    }
    await post('/login', form)
    await post('/register', { name: 'Eve', email: 'eve@example.org', password: ada.password })
    await post('/forgot', { address: ada.email })
    await post('/reset', reset)
    await browser.post('/login', form)
    await post('/welcome/picture', await somePicture())
    await post('/logout', {})

    t.equal((await browser.post('/welcome/picture', await somePicture())).status, 303)
    t.equal((await browser.post('/reset', reset)).status, 200)
  })
}

t.test('a page on an origin of CORS_ORIGINS may post forms', async (t) => {
  const { browser } = await withAda(t, { CORS_ORIGINS: 'https://app.example.org' })
  const headers = { origin: 'https://app.example.org', 'sec-fetch-site': 'same-site' }
  t.equal((await browser.post('/login', form, headers)).status, 303)
  const neighbour = { origin: 'https://www.example.org', 'sec-fetch-site': 'same-site' }
  t.equal((await browser.post('/login', form, neighbour)).status, 403)
})

t.test('the answer of /forgot does not reveal if an account exists', async (t) => {
  const { browser, messages, untilSent } = await withAda(t)
  const known = await browser.post('/forgot', { address: ada.email })
  t.equal(known.status, 200)
  t.match(known.html, '<p role="status">If there is an account, a message is on its way.</p>')
  for (const address of ['nobody@example.org', '+442079460000', 'Nobody@Example.org']) {
    const unknown = await browser.post('/forgot', { address })
    t.equal(unknown.status, known.status, address)
    t.equal(unknown.html.replaceAll(address, ada.email), known.html, address)
  }
  await untilSent()
  t.strictSame(
    messages().map(({ to, subject }) => ({ to, subject })),
    [{ to: ada.email, subject: 'Reset your Gatehouse password' }],
  )
})

t.test('after too many failed logins the form shows an error, with Retry-After', async (t) => {
  const { browser } = await withAda(t, { RATE_LIMIT: 'on' })
  const wrong = { ...form, password: 'a wrong horse battery' }
  for (let nth = 1; nth <= 5; nth += 1) {
    t.equal((await browser.post('/login', wrong)).status, 401, `guess ${nth}`)
  }
  await browser.post('/login', wrong)
  const refused = await browser.post('/login', wrong)
  t.equal(refused.status, 429)
  t.match(refused.headers.get('retry-after'), /^[1-9]\d*$/)
  t.match(refused.html, '<p role="alert" id="fault">Too many attempts: try again later.</p>')
  t.match(refused.html, `value="${ada.email}"`)
  t.match(refused.html, 'type="password"')
})

t.test('a rate-limited network gets an error page', async (t) => {
  const { browser } = await withAda(t, { RATE_LIMIT: 'on', RATE_LIMIT_LOGIN: '2/15m' })
  for (const nth of [1, 2]) {
    const nobody = { username: `nobody-${nth}`, password: 'a wrong horse battery' }
    t.equal((await browser.post('/login', nobody)).status, 401)
  }
  const refused = await browser.post('/login', form)
  t.equal(refused.status, 429)
  t.match(refused.headers.get('content-type'), /^text\/html/)
  const wait = Number(refused.headers.get('retry-after'))
  t.ok(wait > 0 && wait <= 900, `${wait} seconds`)
  t.match(refused.html, 'Too many attempts: try again later.')
  t.notOk(browser.cookies.has('session'))
})

t.test('a flash cookie with an unknown name shows no message', async (t) => {
  const { browser } = await withAda(t)
  for (const flash of ['Your%20account%20was%20stolen', 'toString', '__proto__', '<b>x</b>']) {
    browser.cookies.set('flash', flash)
    const page = await browser.get('/login')
    t.equal(page.status, 200, flash)
    t.notMatch(page.html, 'role="status"', flash)
    t.notOk(browser.cookies.has('flash'), flash)
  }
})

t.test('an empty optional field of a form counts as absent', async (t) => {
  const { browser } = await withAda(t)
  const fields = { username: '', mobile: '', email: ada.email, password: ada.password }
  t.equal((await browser.post('/login', fields)).status, 303)
})
