import t, { type Test } from 'tap'
import { ada, bearer, listeningApp, signUp } from '../support/app.js'
import { createKey, exchangeKey } from '../support/api-keys.js'
import { browserSession } from '../support/browser-session.js'
import { passForCodes } from '../support/device-logins.js'
import { codeOf, enrolled } from '../support/factors.js'
import { isForm, post } from '../support/oauth.js'

const grace = { email: 'grace@example.org', password: ada.password }
const wrongCode = 'The code is wrong, used or expired.'
const lateText = 'This was answered already'

async function start(t: Test, env: Record<string, string> = {}) {
  const service = await listeningApp(t, { env })
  const { app, origin, sql } = service
  const begin = async () => {
    const form = { client_id: 'gatehouse' }
    const headers = { ...isForm, 'user-agent': 'gatehouse (Linux)' }
    const payload = new URLSearchParams(form).toString()
    const url = '/oauth/device_authorization'
    const answer = await app.inject({ method: 'POST', url, headers, payload })
    return answer.json<{ device_code: string; user_code: string }>()
  }
  const poll = async (device_code: string) => {
    const grant_type = 'urn:ietf:params:oauth:grant-type:device_code'
    const form = { grant_type, client_id: 'gatehouse', device_code }
    const answer = await post(app, 'token', form)
    return answer.json<{ error?: string; access_token?: string }>()
  }
  const open = async ({ email, password } = ada) => {
    const browser = browserSession(origin)
    await browser.post('/login', { username: email, password })
    return browser
  }
  const pass = () =>
    sql(`update sessions set created_at = created_at - interval '301 seconds',
    auth_time = auth_time - interval '301 seconds'`)
  return { ...service, begin, poll, open, pass }
}

const answerIn = (html: string) => ({
  confirmation: /name="confirmation" value="([^"]+)"/.exec(html)?.[1] ?? '',
  user_code: /name="user_code" value="([^"]+)"/.exec(html)?.[1] ?? '',
})

t.test('a user types the code, sees what asks, and approves it once', async (t) => {
  const { app, begin, poll, open } = await start(t)
  await signUp(app)
  const { device_code, user_code } = await begin()
  const browser = await open()
  const form = await browser.get('/device')
  t.match(form.html, 'name="user_code"')
  const asked = await browser.post('/device', { user_code: user_code.toLowerCase() })
  t.equal(asked.status, 200)
  for (const text of [user_code, 'gatehouse login on Linux', '127.0.0.1', 'command line'])
    t.match(asked.html, text)
  t.match(asked.html, /<dt>Since<\/dt><dd>20[\d-]+ [\d:]+ UTC/)
  t.equal(asked.headers.get('cache-control'), 'no-store')
  t.match(await poll(device_code), { error: 'authorization_pending' })
  const answer = answerIn(asked.html)
  const foreign = await browser.post('/device/approve', answer, { 'sec-fetch-site': 'cross-site' })
  t.equal(foreign.status, 403, 'not from another site')
  const approved = await browser.post('/device/approve', answer)
  t.match([approved.status, approved.html], [200, 'The device is logged in'])
  const tokens = await poll(device_code)
  const headers = bearer(tokens.access_token ?? '')
  t.equal((await app.inject({ url: '/api/user', headers })).statusCode, 200)
  for (const path of ['approve', 'deny']) {
    const again = await browser.post(`/device/${path}`, answer)
    t.match([again.status, again.html], [400, lateText], path)
  }
  const typed = await browser.post('/device', { user_code })
  t.match([typed.status, typed.html], [400, wrongCode])
  t.match((await browser.get('/account')).html, 'Login of a device approved')
})

t.test('a link approves nothing: it fills the form in', async (t) => {
  const { app, begin, poll, open, sql } = await start(t)
  await signUp(app)
  const { device_code, user_code } = await begin()
  const browser = await open()
  const state = () => sql('select user_id, decided_at from device_codes')
  const before = await state()
  const { html } = await browser.get(`/device?user_code=${user_code}`)
  t.match(html, `value="${user_code}"`)
  t.notMatch(html, 'confirmation')
  for (const path of ['approve', 'deny', 'approve?confirmation=x']) {
    const { status } = await browser.get(`/device/${path}`)
    t.ok([404, 405].includes(status), `${path}: ${status}`)
  }
  t.strictSame(await state(), before)
  t.match(await poll(device_code), { error: 'authorization_pending' })
  const odd = await browser.get(`/device?user_code=${encodeURIComponent('"><b>x')}`)
  t.match(odd.html, '&quot;&gt;&lt;b&gt;x')
})

t.test('a denied device gets nothing', async (t) => {
  const { app, begin, poll, open } = await start(t)
  await signUp(app)
  const { device_code, user_code } = await begin()
  const browser = await open()
  const { html } = await browser.post('/device', { user_code })
  const denied = await browser.post('/device/deny', answerIn(html))
  t.match([denied.status, denied.html], [200, 'The device was not logged in'])
  t.match(await poll(device_code), { error: 'access_denied' })
  t.match((await browser.post('/device/approve', answerIn(html))).html, lateText)
})

t.test('another user, another login and a late answer are refused', async (t) => {
  const service = await start(t)
  const { app, begin, poll, open } = service
  await signUp(app)
  await signUp(app, grace)
  const { device_code, user_code } = await begin()
  const browser = await open()
  const { html } = await browser.post('/device', { user_code })
  const other = await open(grace)
  const theirs = await other.post('/device', { user_code })
  t.match([theirs.status, theirs.html], [400, wrongCode])
  for (const elsewhere of [other, await open()]) {
    const answer = await elsewhere.post('/device/approve', answerIn(html))
    t.match([answer.status, answer.html], [400, lateText])
  }
  t.match(await poll(device_code), { error: 'authorization_pending' })
  await passForCodes(service, 601)
  const late = await browser.post('/device/approve', answerIn(html))
  t.match([late.status, late.html], [400, lateText])
  t.match(await poll(device_code), { error: 'expired_token' })
})

t.test('a visitor logs in first, and comes back with the code', async (t) => {
  const { app, begin, origin } = await start(t)
  await signUp(app)
  const { user_code } = await begin()
  const browser = browserSession(origin)
  const next = encodeURIComponent(`/device?user_code=${user_code}`)
  t.equal((await browser.get(`/device?user_code=${user_code}`)).location, `/login?next=${next}`)
  t.equal((await browser.get('/device')).location, '/login?next=%2Fdevice')
  const form = { username: ada.email, password: ada.password }
  const done = await browser.post(`/login?next=${next}`, form)
  t.equal(done.location, `/device?user_code=${user_code}`)
  const nobody = browserSession(origin)
  for (const path of ['', '/approve', '/deny'])
    t.equal((await nobody.post(`/device${path}`, {})).status, 401, path)
})

t.test('an approval needs a login of the last five minutes', async (t) => {
  const { app, begin, open, poll, pass } = await start(t)
  await signUp(app)
  const { device_code, user_code } = await begin()
  const browser = await open()
  const { html } = await browser.post('/device', { user_code })
  await pass()
  const next = encodeURIComponent(`/device?user_code=${user_code}`)
  for (const [path, form] of [
    ['', { user_code }],
    ['/approve', answerIn(html)],
  ] as const) {
    const answer = await browser.post(`/device${path}`, form)
    t.match([answer.status, answer.location], [303, `/login?next=${next}&prompt=login`], path)
  }
  t.match(await poll(device_code), { error: 'authorization_pending' })
  await browser.post(`/login?next=${next}`, { username: ada.email, password: ada.password })
  const again = await browser.post('/device', { user_code })
  const approved = await browser.post('/device/approve', answerIn(again.html))
  t.match(approved.html, 'The device is logged in')
})

t.test('the second factor is asked for, also on a trusted device', async (t) => {
  const service = await start(t)
  const { begin, open, pass, poll, sql } = service
  const user = await enrolled(service, ada)
  const { device_code, user_code } = await begin()
  const next = `/device?user_code=${user_code}`
  const browser = await open()
  const verify = async (html: string, form: Record<string, string>) => {
    const challenge = /name="challenge" value="([^"]+)"/.exec(html)?.[1] ?? ''
    return browser.post('/login/verify', { challenge, code: await user.code(), ...form })
  }
  const form = { username: ada.email, password: ada.password }
  await verify((await browser.post('/login', form)).html, { trust: 'on' })
  t.ok(browser.cookies.get('trusted'))
  t.equal((await browser.post('/login', form)).status, 303, 'elsewhere the device is trusted')
  const without = await browser.post('/device', { user_code })
  t.match(without.location, /prompt=login/, 'that login had no code')
  const asked = await browser.post('/login', { ...form, next })
  t.match([asked.status, asked.html], [403, 'Confirm your login'])
  t.equal((await verify(asked.html, { next })).location, next)
  const { html } = await browser.post('/device', { user_code })
  await sql(`update sessions set amr = '{pwd}'`)
  const lost = await browser.post('/device/approve', answerIn(html))
  t.match(lost.location, /prompt=login/, 'a session without the factor approves nothing')
  await sql(`update sessions set amr = '{pwd,otp,mfa}'`)
  await pass()
  t.match((await browser.post('/device/approve', answerIn(html))).location, /prompt=login/)
  t.match(await poll(device_code), { error: 'authorization_pending' })
})

t.test('with MFA=required the tokens of a device say that the factor was given', async (t) => {
  const { begin, poll, origin, ...service } = await start(t, { MFA: 'required' })
  const challenge = await service.app.inject({
    ...{ method: 'POST', url: '/api/register', payload: ada },
  })
  t.equal(challenge.statusCode, 201)
  const { device_code, user_code } = await begin()
  const browser = browserSession(origin)
  const form = { username: ada.email, password: ada.password }
  const asked = await browser.post('/login', form)
  t.match([asked.status, asked.html], [403, 'Add a second factor'])
  t.equal((await browser.post('/device', { user_code })).status, 401, 'a password is no login')
  const token = /name="challenge" value="([^"]+)"/.exec(asked.html)?.[1] ?? ''
  const enrolment = await browser.post('/login/enrol', { challenge: token })
  const key = /<code>([A-Z2-7 ]+)<\/code>/.exec(enrolment.html)?.[1]?.replaceAll(' ', '') ?? ''
  await browser.post('/login/verify', { challenge: token, code: codeOf(key) })
  const { html } = await browser.post('/device', { user_code })
  t.match((await browser.post('/device/approve', answerIn(html))).html, 'The device is logged in')
  const { access_token = '' } = await poll(device_code)
  const claims = JSON.parse(Buffer.from(access_token.split('.')[1] ?? '', 'base64url').toString())
  t.match(claims, { amr: ['pwd', 'otp', 'mfa'] })
})

t.test('no token of a script approves: neither a login, nor an API key', async (t) => {
  const service = await start(t)
  const { app, begin, poll } = service
  const { access_token } = await signUp(app)
  const { key } = await createKey(service, access_token, { roles: ['user'] })
  const { device_code, user_code } = await begin()
  const browser = await service.open()
  const { html } = await browser.post('/device', { user_code })
  const exchanged = await exchangeKey(app, key)
  const ways = [
    bearer(access_token),
    bearer(key),
    bearer(exchanged),
    { cookie: `session=${key}` },
    { cookie: `session=${exchanged}` },
  ]
  for (const [path, form] of [
    ['', { user_code }],
    ['/approve', answerIn(html)],
    ['/deny', answerIn(html)],
  ] as const) {
    for (const way of ways) {
      const answer = await app.inject({
        ...{ method: 'POST', url: `/device${path}`, headers: { ...isForm, ...way } },
        payload: new URLSearchParams(form).toString(),
      })
      t.ok([401, 403].includes(answer.statusCode), `${path} ${answer.statusCode}`)
    }
  }
  t.match(await poll(device_code), { error: 'authorization_pending' })
})

t.test('too many wrong codes are refused for an hour', async (t) => {
  const { app, begin, open } = await start(t, { RATE_LIMIT: 'on' })
  await signUp(app)
  const { user_code } = await begin()
  const browser = await open()
  const typing = await browser.post('/device', { user_code: 'no code' })
  t.match([typing.status, typing.html], [400, wrongCode])
  for (let nth = 0; nth < 10; nth += 1) {
    t.equal((await browser.post('/device', { user_code: 'BBBB-BBBB' })).status, 400)
  }
  const { status, html, headers } = await browser.post('/device', { user_code })
  t.match([status, html], [429, 'Too many attempts'])
  t.ok(Number(headers.get('retry-after')) > 3_000)
})
