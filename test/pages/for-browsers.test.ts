import t from 'tap'
import { ada, listeningApp } from '../support/app.js'
import { browserSession } from '../support/browser-session.js'
import { mailingApp } from '../support/smtp-sink.js'

t.test('an unknown path is a page for browsers and JSON for other clients', async (t) => {
  const { origin } = await listeningApp(t, { env: { APP_NAME: 'Example' } })
  const browser = browserSession(origin)
  for (const path of ['/nothing', '/api/nothing', '/welcome/nothing?x=<script>']) {
    const page = await browser.get(path)
    t.equal(page.status, 404, path)
    t.equal(page.headers.get('content-type'), 'text/html; charset=utf-8', path)
    t.equal(page.headers.get('cache-control'), 'no-store', path)
    t.match(page.html, '<title>Page not found · Example</title>', path)
    t.notMatch(page.html, '<script', path)
    for (const accept of ['*/*', 'application/json']) {
      const { status, headers, html } = await browser.get(path, { accept })
      t.equal(status, 404, path)
      t.match(headers.get('content-type'), 'application/json', path)
      t.strictSame(JSON.parse(html), { status: 'error', code: 'not_found', message: 'Not found' })
    }
  }
  t.equal((await browser.post('/nothing')).status, 404)
})

t.test('the icon of the pages is cached, and their policy allows it', async (t) => {
  const { origin } = await listeningApp(t)
  const browser = browserSession(origin)
  const icon = await browser.get('/favicon.ico')
  t.equal(icon.status, 200)
  t.equal(icon.headers.get('content-type'), 'image/svg+xml')
  t.equal(icon.headers.get('cache-control'), 'public, max-age=604800')
  t.match(icon.html, /^<svg /)
  const etag = icon.headers.get('etag') ?? ''
  t.equal((await browser.get('/favicon.ico', { 'if-none-match': etag })).status, 304)
  for (const path of ['/', '/docs']) {
    const { html, headers } = await browser.get(path)
    t.match(html, '<link rel="icon" href="/favicon.ico" type="image/svg+xml">', path)
    t.match(headers.get('content-security-policy'), "img-src 'self'", path)
  }
})

t.test('a password manager finds the page to change a password', async (t) => {
  const { origin } = await listeningApp(t)
  const { status, location } = await browserSession(origin).get('/.well-known/change-password')
  t.strictSame({ status, location }, { status: 302, location: '/forgot' })
})

t.test('the form for a new password tells a password manager the user', async (t) => {
  const { origin, sink, activeAccount, post } = await mailingApp(t)
  await activeAccount(ada)
  await post('/api/password/forgot', { email: ada.email })
  const { link } = await sink.next(ada.email)
  const path = link.slice(link.indexOf('/reset'))
  const token = path.slice(path.indexOf('=') + 1)
  const browser = browserSession(origin)
  const field =
    '<input name="username" type="text" autocomplete="username" value="ada@example.org" readonly hidden>'
  t.match((await browser.get(path)).html, field)
  const form = { token, username: ada.email, new_password: 'short' }
  const weak = await browser.post('/reset', form)
  t.equal(weak.status, 400)
  t.match(weak.html, field, 'also after an error')
  const changed = await browser.post('/reset', { ...form, new_password: 'a better horse battery' })
  t.equal(changed.status, 200)
  const login = { username: ada.email, password: 'a better horse battery' }
  t.equal((await browser.post('/login', login)).status, 303)
  for (const used of [path, '/reset', '/reset?token=unknown', path.replace('reset', 'activate')]) {
    t.notMatch((await browser.get(used)).html, ada.email, used)
  }
})
