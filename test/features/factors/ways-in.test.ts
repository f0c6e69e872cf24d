import t from 'tap'
import { ada, bearer, isRefused, testApp, type TestApp } from '../../support/app.js'
import { browserSession } from '../../support/browser-session.js'
import { codeOf, enrolled, poster } from '../../support/factors.js'
import { bodies } from '../../support/http/matrix.js'
import { collectRoutes, nameOf } from '../../support/http/route-table.js'
import { claimsOf } from '../../support/oauth.js'
import { mailingApp } from '../../support/smtp-sink.js'
import { openidProvider } from '../../support/social/openid-provider.js'
import { publicUrl, socialApp } from '../../support/social/app.js'

const routes = collectRoutes()
const password = ada.password

const sessionsOf = async ({ sql }: Pick<TestApp, 'sql'>) =>
  (await sql('select from sessions')).length

t.test('no route of the service opens a session without the second factor', async (t) => {
  const service = await testApp(t)
  const { app, sql } = service
  const user = await enrolled(service, ada)
  await sql(
    `update users set username = 'ada', username_canonical = 'ada', mobile = '+442079460001',
       mobile_canonical = '+442079460001', email_verified_at = now()`,
  )
  await sql('delete from sessions')
  const table = new Map(routes.map((route) => [nameOf(route), route]))
  t.ok(table.size > 90)
  const names = [
    { identifier: ada.email },
    { email: ada.email },
    { username: 'ada' },
    { username: ada.email },
    { mobile: '+442079460001' },
  ]
  const client = { id: user.id, account: ada, login: user.login } as never
  let refusals = 0
  for (const [name, route] of table) {
    const isForm = ['page', 'link', 'oauth'].includes(route.speaks)
    const tried = [
      bodies[name]?.(client) ?? {},
      ...names.map((each) => ({ ...each, password })),
      { token: 'A'.repeat(43), new_password: password },
      { grant_type: 'refresh_token', refresh_token: user.login.refresh_token },
      { refresh_token: user.login.refresh_token },
      { challenge: 'A'.repeat(43), code: await user.code() },
    ]
    for (const body of tried) {
      const answer = await app.inject({
        method: route.method as 'GET',
        url: route.url.replace(/:\w+/, user.id),
        headers: {
          ...bearer(user.login.refresh_token),
          ...(isForm && {
            'content-type': 'application/x-www-form-urlencoded',
            accept: 'text/html',
          }),
        },
        ...(!['GET', 'HEAD', 'OPTIONS'].includes(route.method) && {
          payload: isForm ? new URLSearchParams(body as Record<string, string>).toString() : body,
        }),
      })
      t.notMatch(answer.body, /"(access_token|token)":"eyJ/, name)
      t.notOk(
        answer.cookies.some((cookie) => /session|refresh/.test(cookie.name) && cookie.value),
        name,
      )
      if (answer.statusCode === 403 && /second factor|Confirm your login/.test(answer.body))
        refusals += 1
    }
    t.equal(await sessionsOf(service), 0, name)
  }
  t.ok(refusals >= 8, `API, page and both older APIs ask for it: ${refusals}`)
})

t.test('the older APIs give the challenge in their own form', async (t) => {
  const service = await testApp(t)
  const user = await enrolled(service, ada)
  await service.sql(`update users set username = 'ada', username_canonical = 'ada'`)
  const post = poster(service.app)
  for (const [path, field] of [
    ['/api/v1/users/login', 'error'],
    ['/user/login', 'message'],
    ['/user/login/', 'message'],
  ] as const) {
    const { status, body } = await post(path, { username: 'ada', password })
    t.equal(status, 403, path)
    t.match(body, { [field]: 'A second factor is required', methods: ['totp', 'recovery_code'] })
    t.notOk('token' in body || 'access_token' in body)
    const { challenge } = body
    const done = await post('/api/login/verify', { challenge, code: await user.code() })
    t.equal(done.status, 200)
  }
})

t.test('a password reset by mail removes no factor and opens no session', async (t) => {
  const { sink, post, call, sql } = await mailingApp(t)
  await post('/api/register', ada)
  await post('/api/activate', { token: (await sink.next(ada.email)).token })
  const { body: login } = await post('/api/login', ada)
  const { body: begun } = await call(
    'POST',
    '/api/user/factors/totp',
    undefined,
    login.access_token,
  )
  await call(
    'POST',
    '/api/user/factors/totp/confirm',
    { code: codeOf(begun.key) },
    login.access_token,
  )
  t.match(await sink.next(ada.email), { subject: /new second factor/ })
  await post('/api/password/forgot', { email: ada.email })
  const { token } = await sink.next(ada.email)
  const new_password = 'another horse battery'
  const reset = await post('/api/password/reset', { token, new_password })
  t.equal(reset.status, 200)
  t.notOk(reset.body.access_token)
  const again = await post('/api/login', { email: ada.email, password: new_password })
  t.match(again, { status: 403, body: { code: 'second_factor_required' } })
  t.equal((await sql('select from sessions')).length, 0)
})

t.test('a login by a provider asks for the factor too', async (t) => {
  const openid = await openidProvider(t, publicUrl)
  const { browser, call, sql } = await socialApp(t, { env: openid.env })
  const person = { sub: 'ada', email: ada.email, email_verified: true }
  const first = browser()
  await first.signIn('oidc', person)
  const token = first.cookie('session')
  const { body } = await call('POST', '/api/user/factors/totp', undefined, token)
  await call('POST', '/api/user/factors/totp/confirm', { code: codeOf(body.key) }, token)
  await sql('update totp_factors set last_step = 0')

  const api = await browser().signIn('oidc', person)
  t.match(api, { status: 403, html: /second_factor_required/ })
  const visitor = browser()
  const page = await visitor.comeBack(await visitor.arrive('oidc', person, '/welcome'), {
    html: true,
  })
  t.match(page, { status: 403, html: /Confirm your login/ })
  t.notOk(visitor.cookie('session'))
  const challenge = /name="challenge" value="([^"]+)"/.exec(page.html)?.[1] ?? ''
  t.match(page.html, 'name="next" value="/welcome"')
  const from = { origin: publicUrl, 'sec-fetch-site': 'same-origin' }
  const stolen = await browser().home.post(
    '/login/verify',
    { challenge, code: codeOf(body.key) },
    from,
  )
  t.match([stolen.status, stolen.location], [303, '/login'], 'another browser has to start again')
  const done = await visitor.home.post(
    '/login/verify',
    { challenge, code: codeOf(body.key), trust: 'on', next: '/welcome' },
    from,
  )
  t.match([done.status, done.location], [303, '/welcome'])
  t.same(claimsOf(visitor.cookie('session')).amr, ['otp', 'mfa'])
  const comeTo = async (target: string) => {
    await visitor.home.post('/logout', {}, from)
    return visitor.comeBack(await visitor.arrive('oidc', person, target), { html: true })
  }
  t.equal((await comeTo('/welcome')).status, 303, 'the device is trusted')
  t.match(await comeTo('/device'), { status: 403, html: /Confirm your login/ }, 'but not there')
})

t.test('after a provider, a trusted device is no factor where an app asks for one', async (t) => {
  const openid = await openidProvider(t, publicUrl)
  const { browser, call, sql } = await socialApp(t, { env: openid.env })
  const person = { sub: 'ada', email: ada.email, email_verified: true }
  const visitor = browser()
  await visitor.signIn('oidc', person)
  const token = visitor.cookie('session')
  const { body } = await call('POST', '/api/user/factors/totp', undefined, token)
  await call('POST', '/api/user/factors/totp/confirm', { code: codeOf(body.key) }, token)
  await sql('update totp_factors set last_step = 0')
  const logIn = async (next: string) =>
    visitor.comeBack(await visitor.arrive('oidc', person, next), { html: true })
  const logOut = () =>
    visitor.home.cookies.forEach((_value, name) => {
      if (/session|refresh/.test(name)) visitor.home.cookies.delete(name)
    })
  logOut()
  const page = await logIn('/welcome')
  const challenge = /name="challenge" value="([^"]+)"/.exec(page.html)?.[1] ?? ''
  const from = { origin: publicUrl, 'sec-fetch-site': 'same-origin' }
  const code = codeOf(body.key)
  await visitor.home.post('/login/verify', { challenge, code, trust: 'on' }, from)
  t.ok(visitor.cookie('trusted'))

  const authorization = '/oauth/authorize?client_id=shop'
  for (const [next, status] of [
    ['/welcome', 303],
    ['/second-factors', 303],
    ['/second-factor', 403],
    ['/account/passkeys', 403],
    [authorization, 303],
    [`${authorization}&acr_values=mfa`, 403],
  ] as const) {
    logOut()
    t.equal((await logIn(next)).status, status, next)
  }
})

t.test('the pages ask for the code, say when it is wrong, and go on to the target', async (t) => {
  const service = await testApp(t)
  const origin = await service.app.listen({ host: '127.0.0.1', port: 0 })
  const user = await enrolled(service, ada)
  const browser = browserSession(origin)
  const page = await browser.post('/login', { username: ada.email, password, next: '/welcome' })
  t.equal(page.status, 403)
  t.match(page.html, 'autocomplete="one-time-code"')
  t.notOk(browser.cookies.get('session'))
  const challenge = /name="challenge" value="([^"]+)"/.exec(page.html)?.[1] ?? ''
  const wrong = await browser.post('/login/verify', { challenge, code: '000000', next: '/welcome' })
  t.match([wrong.status, /The code is wrong/.test(wrong.html)], [400, true])
  const right = { challenge, code: await user.code(), trust: 'on', next: '/welcome' }
  const done = await browser.post('/login/verify', right)
  t.match([done.status, done.location], [303, '/welcome'])
  t.ok(browser.cookies.get('trusted'))
  await browser.post('/logout')
  const again = await browser.post('/login', { username: ada.email, password, next: '/welcome' })
  t.match([again.status, again.location], [303, '/welcome'], 'the device is trusted')
})

t.test(
  'a trusted device replaces the second factor only, and only where it was trusted',
  async (t) => {
    const service = await testApp(t)
    const { app, sql } = service
    const post = poster(app)
    const user = await enrolled(service, ada)
    const agent = { 'user-agent': 'Mozilla/5.0 (X11; Linux) Firefox/140.0' }
    const trust = async () => {
      const { challenge } = (await post('/api/login', ada, agent)).body
      const done = await post(
        '/api/login/verify',
        { challenge, code: await user.code(), trust: true },
        agent,
      )
      const cookie = done.raw.cookies.find(({ name }) => name === 'trusted')
      t.match(cookie, { httpOnly: true, sameSite: 'Lax', maxAge: 30 * 86_400 })
      return { cookie: `trusted=${String(cookie?.value)}` }
    }
    const logIn = (headers: object) => post('/api/login', ada, { ...agent, ...headers })
    const cookie = await trust()
    const stored = JSON.stringify(
      await sql(`select encode(token_hash, 'escape') from trusted_devices`),
    )
    t.notMatch(stored, cookie.cookie.slice(8))
    const trusted = await logIn(cookie)
    t.equal(trusted.status, 200)
    t.same(claimsOf(String(trusted.body.access_token)).amr, ['pwd'])
    const newer = { 'user-agent': 'Mozilla/5.0 (X11; Linux) Firefox/141.2' }
    t.equal((await logIn({ ...cookie, ...newer })).status, 200, 'after an update of the browser')
    t.equal(
      (await logIn({ ...cookie, 'user-agent': 'curl/8.5.0' })).status,
      403,
      'in another browser',
    )
    t.equal(
      (
        await post(
          '/api/login',
          { ...ada, password: 'wrong horse battery' },
          { ...agent, ...cookie },
        )
      ).status,
      401,
    )

    const token = String(trusted.body.access_token)
    for (const url of ['/api/user/factors/totp', '/api/user/factors/recovery-codes'])
      t.match(
        await post(url, undefined, bearer(token)),
        { body: { code: 'reauthentication_required' } },
        'no step-up',
      )

    const listed = await app.inject({ url: '/api/user/factors', headers: bearer(token) })
    const [device] = listed.json<{ trusted_devices: { id: string }[] }>().trusted_devices
    const forget = {
      method: 'DELETE',
      url: `/api/user/trusted-devices/${String(device?.id)}`,
      headers: bearer(token),
    } as const
    t.equal((await app.inject(forget)).statusCode, 200)
    t.equal((await logIn(cookie)).status, 403, 'revoked')

    const aged = await trust()
    await sql(`update trusted_devices set expires_at = now() - interval '1 second'`)
    t.equal((await logIn(aged)).status, 403, 'after 30 days')

    const before = await trust()
    await sql(`update users set disabled_at = now()`)
    await sql(`update users set disabled_at = null`)
    t.equal((await logIn(before)).status, 403, 'after the account was disabled')

    const last = await trust()
    await sql(`update users set password_version = password_version + 1`)
    t.equal((await logIn(last)).status, 403, 'after a change of the password')

    const own = await enrolled(service, { email: 'eve@example.org', password })
    t.equal(
      (await post('/api/login', own.account, { ...agent, ...(await trust()) })).status,
      403,
      'of another user',
    )
  },
)

t.test(
  'MFA=required ends older sessions, and lets users without a factor only add one',
  async (t) => {
    const optional = await testApp(t)
    const { url, sql } = optional
    const [with_, without] = [ada, { email: 'bob@example.org', password }]
    const user = await enrolled(optional, with_)
    const post = poster(optional.app)
    await post('/api/register', without)
    const old = (await post('/api/login', without)).body
    const service = await testApp(t, { url, env: { MFA: 'required' } })
    await service.app.ready()
    t.ok(await isRefused(service.app, String(old.access_token)))
    const strict = poster(service.app)
    t.equal((await strict('/api/refresh', { refresh_token: old.refresh_token })).status, 401)
    t.notOk(await isRefused(service.app, user.login.access_token), 'a user with a factor goes on')

    const pending = await strict('/api/login', without)
    t.match(pending, { status: 403, body: { methods: ['enrol_totp'] } })
    const { challenge } = pending.body
    t.match(await strict('/api/login/verify', { challenge, code: '000000' }), { status: 400 })
    const begun = await strict('/api/login/enrol', { challenge })
    t.equal(begun.status, 200)
    const done = await strict('/api/login/verify', {
      challenge,
      code: codeOf(String(begun.body.key)),
    })
    t.equal(done.status, 200)
    t.equal((done.body.recovery_codes as string[]).length, 10)
    t.same(claimsOf(String(done.body.access_token)).amr, ['pwd', 'otp', 'mfa'])
    const removal = await service.app.inject({
      method: 'DELETE',
      url: '/api/user/factors/totp',
      headers: bearer(String(done.body.access_token)),
    })
    t.match(removal.json<object>(), { code: 'factor_required' })
    t.match(await strict('/api/login/enrol', { challenge }), { body: { code: 'invalid_state' } })
    const other = (await strict('/api/login', with_)).body.challenge
    t.match(
      await strict('/api/login/enrol', { challenge: other }),
      { body: { code: 'invalid_state' } },
      'enrolling replaces no factor',
    )
    t.equal((await sql('select from sessions')).length, 2)
  },
)

t.test(
  'MFA=required:admin concerns administrators, also from the moment they become one',
  async (t) => {
    const service = await testApp(t, { env: { MFA: 'required:admin' } })
    const post = poster(service.app)
    await post('/api/register', ada)
    const login = await post('/api/login', ada)
    t.equal(login.status, 200)
    t.equal((await post('/api/refresh', { refresh_token: login.body.refresh_token })).status, 200)
    await service.sql(`insert into user_roles select id, 'admin' from users`)
    const { refresh_token } = login.body
    t.equal((await post('/api/refresh', { refresh_token })).status, 401)
    t.match(await post('/api/login', ada), { status: 403, body: { methods: ['enrol_totp'] } })
  },
)

t.test(
  'the page of a required factor shows a QR code and the recovery codes, without a script',
  async (t) => {
    const service = await testApp(t, { env: { MFA: 'required' } })
    const origin = await service.app.listen({ host: '127.0.0.1', port: 0 })
    await poster(service.app)('/api/register', ada)
    const browser = browserSession(origin)
    const ask = await browser.post('/login', { username: ada.email, password, next: '/welcome' })
    t.match(ask.html, 'action="/login/enrol"')
    const challenge = /name="challenge" value="([^"]+)"/.exec(ask.html)?.[1] ?? ''
    const page = await browser.post('/login/enrol', { challenge, next: '/welcome' })
    t.match(page.html, '<svg ')
    t.notMatch(page.html, /<script|style="/)
    const key = /<code>([A-Z2-7]{32})<\/code>/.exec(page.html)?.[1] ?? ''
    const done = await browser.post('/login/verify', {
      challenge,
      code: codeOf(key),
      next: '/welcome',
    })
    t.equal(done.status, 200)
    t.equal(done.html.match(/<li><code>/g)?.length, 10)
    t.match(done.html, 'href="/welcome"')
    t.equal((await browser.get('/welcome')).status, 200)
  },
)
