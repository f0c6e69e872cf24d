import t from 'tap'
import { ada, listeningApp, signUp } from '../support/app.js'
import { browserSession } from '../support/browser-session.js'

const env = {
  PUBLIC_URL: 'https://auth.example.org',
  CORS_ORIGINS: 'https://app.example.org,http://localhost:4321',
}

/** The value of `next`, and the Location after the login. */
const table: [next: string, location: string][] = [
  ['', '/'],
  ['/welcome', '/welcome'],
  ['/welcome?x=1#y', '/welcome?x=1#y'],
  ['welcome', '/welcome'],
  ['https://auth.example.org/welcome?x=1', '/welcome?x=1'],
  ['https://app.example.org/x', 'https://app.example.org/x'],
  ['http://localhost:4321/a?b=c#d', 'http://localhost:4321/a?b=c#d'],
  ['https://evil.example', '/'],
  ['blob:https://app.example.org/x', '/'],
  ['blob:https://auth.example.org/x', '/'],
  ['//evil.example', '/'],
  ['///evil.example', '/'],
  ['////evil.example', '/'],
  ['/.//evil.example', '/evil.example'],
  ['/x/..//evil.example', '/evil.example'],
  ['https://auth.example.org//evil.example', '/evil.example'],
  ['https:evil.example', '/evil.example'],
  ['http:evil.example', '/'],
  ['/\\evil.example', '/'],
  ['\\\\evil.example', '/'],
  ['\\/evil.example', '/'],
  ['/\t/evil.example', '/'],
  ['/\n/evil.example', '/'],
  ['/\r\nSet-Cookie: x=1', '/'],
  [' //evil.example', '/'],
  ['\u00a0//evil.example', '/'],
  ['java\tscript:alert(1)', '/'],
  ['/%0d%0aSet-Cookie:x=1', '/%0d%0aSet-Cookie:x=1'],
  ['/%5cevil.example', '/%5cevil.example'],
  ['/%2f/evil.example', '/%2f/evil.example'],
  ['https://ok@evil.example', '/'],
  ['https://app.example.org@evil.example/', '/'],
  ['https://user:pass@app.example.org/', '/'],
  ['https://user@auth.example.org/welcome', '/'],
  ['https://app.example.org.evil.example/', '/'],
  ['https://app.example.org:444/', '/'],
  ['http://app.example.org/', '/'],
  ['http://auth.example.org/welcome', '/'],
  ['https://', '/'],
  ['javascript:alert(1)', '/'],
  ['data:text/html,<script>alert(1)</script>', '/'],
  ['file:///etc/passwd', '/'],
  [`/${'x'.repeat(1_000)}`, `/${'x'.repeat(1_000)}`],
  [`/${'x'.repeat(1_999)}`, `/${'x'.repeat(1_999)}`],
  [`/${'x'.repeat(2_000)}`, '/'],
  [`/${'x'.repeat(5_000)}`, '/'],
  [`/${'é'.repeat(600)}`, '/'], // 3,601 characters when it is percent-encoded
]

t.test('a login redirects only to our own pages and to CORS_ORIGINS', async (t) => {
  const { app, origin } = await listeningApp(t, { env })
  await signUp(app)
  const own = { origin: env.PUBLIC_URL, 'sec-fetch-site': 'same-origin' }
  for (const [next, location] of table) {
    const what = JSON.stringify(next).slice(0, 60)
    const form = { username: ada.email, password: ada.password }
    const browser = browserSession(origin)
    const byField = await browser.post('/login', { ...form, next }, own)
    t.equal(byField.status, 303, what)
    t.equal(byField.location, location, `${what} in the form`)
    t.notOk(browser.cookies.has('x') || browser.cookies.has('Set-Cookie:x'), what)

    const query = `/login?next=${encodeURIComponent(next)}`
    t.equal((await browser.get(query)).location, location, `${what} for a signed-in user`)
    const byQuery = await browserSession(origin).post(query, form, own)
    t.equal(byQuery.location, location, `${what} in the query`)
  }
})

t.test('without CORS_ORIGINS a login redirects only to our own pages', async (t) => {
  const { app, origin } = await listeningApp(t)
  await signUp(app)
  for (const next of ['https://app.example.org/x', 'http://localhost:4321/', 'null']) {
    const form = { username: ada.email, password: ada.password, next }
    const { location } = await browserSession(origin).post('/login', form)
    t.equal(location, next === 'null' ? '/null' : '/', next)
  }
})

t.test('the login form keeps next, escaped, also after an error', async (t) => {
  const { origin } = await listeningApp(t)
  const browser = browserSession(origin)
  const next = '/welcome?a="><script>alert(1)</script>&b=2'
  const hidden = /<input type="hidden" name="next" value="([^"]*)">/
  const escaped = '/welcome?a=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&amp;b=2'
  const shown = await browser.get(`/login?next=${encodeURIComponent(next)}`)
  t.equal(hidden.exec(shown.html)?.[1], escaped)
  const again = await browser.post('/login', { username: 'eve', password: 'wrong', next })
  t.equal(again.status, 401)
  t.equal(hidden.exec(again.html)?.[1], escaped)
  t.notMatch(shown.html + again.html, '<script>')
})

t.test('no page shows a next that a login would not redirect to', async (t) => {
  const { app, origin } = await listeningApp(t, { env })
  await signUp(app)
  const browser = browserSession(origin)
  const own = { origin: env.PUBLIC_URL, 'sec-fetch-site': 'same-origin' }
  for (const [next, location] of table) {
    const what = JSON.stringify(next).slice(0, 60)
    const query = `?next=${encodeURIComponent(next)}`
    const pages = [
      await browser.get(`/login${query}`),
      await browser.get(`/register${query}`),
      await browser.post('/login', { username: 'eve', password: 'wrong', next }, own),
      await browser.post('/register', { email: ada.email, password: 'short', next }, own),
    ]
    t.strictSame(
      pages.map(({ status }) => status),
      [200, 200, 401, 400],
      what,
    )
    for (const { html } of pages) {
      const field = /<input type="hidden" name="next" value="([^"]*)">/.exec(html)?.[1]
      t.equal(field?.replaceAll('&amp;', '&') ?? '/', location, `${what} in the field`)
      for (const [, link = ''] of html.matchAll(/<main>[^]*? href="\/register([^"]*)"/g)) {
        t.equal(link, location === '/' ? '' : `?next=${encodeURIComponent(location)}`, what)
      }
      if (location === '/') t.notMatch(html, 'next=', what)
    }
  }
})
