import t from 'tap'
import { ada, signUp, testApp } from '../../support/app.js'
import { browserSession } from '../../support/browser-session.js'
import { codeOf } from '../../support/factors.js'

t.test('users add, replace and remove a factor on a page, without a script', async (t) => {
  const { app, sql } = await testApp(t)
  const origin = await app.listen({ host: '127.0.0.1', port: 0 })
  await signUp(app)
  const browser = browserSession(origin)
  t.equal((await browser.get('/second-factor')).location, '/login?next=%2Fsecond-factor')
  await browser.post('/login', { username: ada.email, password: ada.password })
  t.match((await browser.get('/second-factor')).html, 'Your account has no second factor')
  t.match((await browser.get('/welcome')).html, 'href="/second-factor"')

  const keyOf = (html: string) => /<code>([A-Z2-7]{32})<\/code>/.exec(html)?.[1] ?? ''
  const key = keyOf((await browser.post('/second-factor/begin')).html)
  t.match(await browser.post('/second-factor/confirm', { code: '000000' }), {
    status: 400,
    html: /The code is wrong/,
  })
  const added = await browser.post('/second-factor/confirm', { code: codeOf(key) })
  t.equal(added.html.match(/<li><code>/g)?.length, 10)
  const page = (await browser.get('/second-factor')).html
  t.match(page, 'You have 10 recovery codes left')
  t.match(page, 'action="/second-factor/remove"')
  const renewed = await browser.post('/second-factor/codes')
  t.notSame(renewed.html, added.html)

  await sql(`update sessions set created_at = now() - interval '6 minutes', auth_time = null`)
  const again = await browser.post('/second-factor/remove')
  t.equal(again.location, '/login?next=%2Fsecond-factor&prompt=login')
  t.match((await browser.get(again.location ?? '')).html, 'Log in again first')
  await sql(`update sessions set created_at = now()`)
  t.equal((await browser.post('/second-factor/remove')).location, '/second-factor')
  t.match((await browser.get('/second-factor')).html, 'The second factor was removed')
  const foreign = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
  t.equal((await browser.post('/second-factor/begin', {}, foreign)).status, 403)
})
