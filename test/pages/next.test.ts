import t from 'tap'
import { ada, listeningApp, signUp } from '../support/app.js'
import { browserSession } from '../support/browser-session.js'

const env = {
  PUBLIC_URL: 'https://auth.example.org',
  CORS_ORIGINS: 'https://app.example.org,http://localhost:4321',
}

/** What a link asks for, and where it leads. */
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
]

t.test('after a login one goes on to an own page, or a page that is configured', async (t) => {
  const { app, origin } = await listeningApp(t, { env })
  await signUp(app)
  const own = { origin: env.PUBLIC_URL, 'sec-fetch-site': 'same-origin' }
  for (const [next, location] of table) {
    const what = JSON.stringify(next)
    const form = { username: ada.email, password: ada.password }
    const browser = browserSession(origin)
    const byField = await browser.post('/login', { ...form, next }, own)
    t.equal(byField.status, 303, what)
    t.equal(byField.location, location, `${what} in the form`)
    t.notOk(browser.cookies.has('x') || browser.cookies.has('Set-Cookie:x'), what)

    const query = `/login?next=${encodeURIComponent(next)}`
    t.equal((await browser.get(query)).location, location, `${what} for who is signed in`)
    const byQuery = await browserSession(origin).post(query, form, own)
    t.equal(byQuery.location, location, `${what} in the query`)
  }
})

t.test('without CORS_ORIGINS there is no way out', async (t) => {
  const { app, origin } = await listeningApp(t)
  await signUp(app)
  for (const next of ['https://app.example.org/x', 'http://localhost:4321/', 'null']) {
    const form = { username: ada.email, password: ada.password, next }
    const { location } = await browserSession(origin).post('/login', form)
    t.equal(location, next === 'null' ? '/null' : '/', next)
  }
})

t.test('the login form hands next on, escaped, and keeps it when it comes again', async (t) => {
  const { origin } = await listeningApp(t)
  const browser = browserSession(origin)
  const next = '/welcome?a="><script>alert(1)</script>&b=2'
  const hidden = /<input type="hidden" name="next" value="([^"]*)">/
  const escaped = '/welcome?a=&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;b=2'
  const shown = await browser.get(`/login?next=${encodeURIComponent(next)}`)
  t.equal(hidden.exec(shown.html)?.[1]?.replaceAll('>', '&gt;'), escaped)
  const again = await browser.post('/login', { username: 'eve', password: 'wrong', next })
  t.equal(again.status, 401)
  t.equal(hidden.exec(again.html)?.[1]?.replaceAll('>', '&gt;'), escaped)
  t.notMatch(shown.html + again.html, '<script')
})
