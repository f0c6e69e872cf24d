import t from 'tap'
import { ada, signUp, testApp } from '../../support/app.js'
import { browserSession } from '../../support/browser-session.js'
import { codeOf, enrolled } from '../../support/factors.js'

t.test('users add, replace and remove a factor on a page, without a script', async (t) => {
  const { app, sql } = await testApp(t)
  const origin = await app.listen({ host: '127.0.0.1', port: 0 })
  await signUp(app)
  const browser = browserSession(origin)
  t.equal((await browser.get('/second-factor')).location, '/login?next=%2Fsecond-factor')
  await browser.post('/login', { username: ada.email, password: ada.password })
  t.match((await browser.get('/second-factor')).html, 'Your account has no authenticator app')
  t.match((await browser.get('/welcome')).html, 'href="/second-factor"')

  t.match((await browser.get('/second-factor')).html, 'href="/account"')

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

t.test(
  'the page names each trusted device, and each button the device that it forgets',
  async (t) => {
    const service = await testApp(t)
    const origin = await service.app.listen({ host: '127.0.0.1', port: 0 })
    const user = await enrolled(service, ada)
    const browser = browserSession(origin)
    const { html } = await browser.post('/login', { username: ada.email, password: ada.password })
    const [, challenge = ''] = /name="challenge" value="([^"]+)"/.exec(html) ?? []
    await browser.post('/login/verify', { challenge, code: await user.code(), trust: 'on' })
    const agent = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'
    await service.sql('update trusted_devices set user_agent = $1', [agent])
    const page = (await browser.get('/second-factor')).html
    t.match(page, '<h3>Firefox on Linux</h3>')
    t.match(
      page,
      /aria-label="Do not trust this device: Firefox on Linux, since 20[\d-]+ [\d:]+ UTC"/,
    )
    const [forget = ''] = /\/second-factor\/devices\/[^/]+\/forget/.exec(page) ?? []
    t.equal((await browser.post(forget)).location, '/second-factor')
    const after = (await browser.get('/second-factor')).html
    t.match(after, 'The device is no longer trusted.')
    t.notMatch(after, 'Trusted devices')
  },
)
