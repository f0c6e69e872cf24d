import t, { type Test } from 'tap'
import { bearer, isRefused, testApp } from '../../support/app.js'
import { challengeOf, newVerifier, sidOf, withApps, type App } from '../../support/authorization.js'
import { addApp, claimsOf, post, removeClient } from '../../support/oauth.js'

const start = async (t: Test, env: Record<string, string> = {}) =>
  withApps(await testApp(t, { env }))

t.test('an app gets the tokens of a session of its own for a code', async (t) => {
  const test = await start(t)
  const { app, sql, login, authorize, requestOf, exchange } = test
  for (const to of [test.shop, test.spa]) {
    const verifier = newVerifier()
    const answer = await authorize(requestOf(to, verifier))
    t.equal(answer.statusCode, 303)
    t.match(answer.headers, { 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' })
    t.ok(answer.location.startsWith(`${to.redirect_uri}?code=`), answer.location)
    t.match(answer.back, { code: /^[\w-]{43}$/, state: 'a state', iss: 'http://localhost:3000' })
    t.notOk(answer.headers['set-cookie'])

    const reply = await exchange(to, answer.back.code ?? '', verifier)
    t.equal(reply.statusCode, 200)
    t.match(reply.headers, { 'cache-control': 'no-store', pragma: 'no-cache' })
    t.notOk(reply.headers['set-cookie'], 'the endpoint sets no cookies')
    const { access_token, refresh_token, ...rest } = reply.json<Record<string, string>>()
    t.match(rest, { token_type: 'Bearer', expires_in: 900, refresh_expires_in: Number })
    const { auth_time, amr, sub } = claimsOf(login.access_token)
    const client_id = to.client_id
    t.match(claimsOf(access_token ?? ''), { sub, auth_time, amr, client_id, gen: 0 })
    t.not(sidOf(access_token ?? ''), sidOf(login.access_token))
    t.notOk(await isRefused(app, access_token ?? ''))
    t.ok(refresh_token)
  }
  const opened = await sql(
    `select detail from audit_log where event = 'session.opened' order by id`,
  )
  t.match(opened, [{ detail: { client: 'shop' } }, { detail: { client: 'spa' } }])
  const stored = JSON.stringify(await sql('select * from authorization_codes'))
  t.notMatch(stored, /code":/, 'no code is stored')
})

t.test('a logout at Gatehouse ends the sessions of every app', async (t) => {
  const { app, login, shop, spa, logInTo } = await start(t)
  const tokens = [await logInTo(shop), await logInTo(spa)].map(({ access_token }) => access_token)
  await app.inject({ method: 'POST', url: '/api/logout', headers: bearer(login.access_token) })
  for (const token of tokens) t.ok(await isRefused(app, token))
})

type Attempt = { by?: App; verifier?: string; more?: Record<string, string | undefined> }

t.test('only the app of the code gets its tokens, with all that the request had', async (t) => {
  const test = await start(t)
  const { shop, spa, getCode, exchange } = test
  const other: App = { ...(await addApp(test, 'other')), redirect_uri: shop.redirect_uri }
  const good = newVerifier()
  const code = await getCode(shop, good)
  const grants: Record<string, Attempt> = {
    'another app': { by: other },
    'a public app': { by: { ...spa, redirect_uri: shop.redirect_uri } },
    'a redirect URI with one more character': { more: { redirect_uri: `${shop.redirect_uri}/` } },
    'a redirect URI in other letters': {
      more: { redirect_uri: shop.redirect_uri.replace('shop', 'Shop') },
    },
    'another verifier': { verifier: newVerifier() },
    'the challenge in place of the verifier': { verifier: challengeOf(good) },
    'another code': { more: { code: `${code.slice(0, -1)}${code.endsWith('A') ? 'E' : 'A'}` } },
    'a code with more': { more: { code: `${code}A` } },
    'a long code': { more: { code: 'x'.repeat(5_000) } },
  }
  for (const [name, { by = shop, verifier = good, more = {} }] of Object.entries(grants)) {
    const answer = await exchange(by, code, verifier, more)
    t.equal(answer.statusCode, 400, name)
    t.match(answer.json(), { error: 'invalid_grant' }, name)
  }
  const requests: Record<string, Attempt['more']> = {
    'without PKCE': { code_verifier: undefined },
    'a short verifier': { code_verifier: good.slice(1) },
    'a long verifier': { code_verifier: 'x'.repeat(129) },
    'a verifier with other characters': { code_verifier: `${good}+` },
    'without a redirect URI': { redirect_uri: undefined },
    'without a code': { code: undefined },
  }
  for (const [name, more] of Object.entries(requests)) {
    const answer = await exchange(shop, code, good, more)
    t.equal(answer.statusCode, 400, name)
    t.match(answer.json(), { error: 'invalid_request' }, name)
  }
  const wrong = await exchange({ ...shop, client_secret: 'wrong' }, code, good)
  t.match([wrong.statusCode, wrong.json()], [401, { error: 'invalid_client' }])
  const form = { grant_type: 'authorization_code', code, redirect_uri: shop.redirect_uri }
  for (const client of [{}, { client_id: 'shop' }, { client_id: 'gatehouse' }] as Record<
    string,
    string
  >[]) {
    const answer = await post(test.app, 'token', { ...form, ...client, code_verifier: good })
    t.match([answer.statusCode, answer.json()], [401, { error: 'invalid_client' }])
  }
  t.equal((await exchange(shop, code, good)).statusCode, 200, 'none of these spent the code')
})

t.test('a code lives for 60 seconds', async (t) => {
  const { sql, shop, getCode, exchange } = await start(t)
  const pass = (seconds: number) =>
    sql(`update authorization_codes set expires_at = expires_at - make_interval(secs => $1)`, [
      seconds,
    ])
  const verifier = newVerifier()
  const early = await getCode(shop, verifier)
  await pass(50)
  t.equal((await exchange(shop, early, verifier)).statusCode, 200)
  const late = await getCode(shop, verifier)
  await pass(61)
  t.match((await exchange(shop, late, verifier)).json(), { error: 'invalid_grant' })
})

t.test('a second use of a code ends the login, also after a minute', async (t) => {
  for (const seconds of [0, 61]) {
    const { app, sql, login, shop, spa, getCode, exchange, logInTo } = await start(t)
    const verifier = newVerifier()
    const code = await getCode(shop, verifier)
    const first = (await exchange(shop, code, verifier)).json<{ access_token: string }>()
    const other = await logInTo(spa)
    await sql(
      `update authorization_codes set expires_at = expires_at - make_interval(secs => $1)`,
      [seconds],
    )
    t.match((await exchange(shop, code, newVerifier())).json(), { error: 'invalid_grant' })
    t.notOk(await isRefused(app, first.access_token), 'a code without its verifier ends nothing')
    t.match((await exchange(shop, code, verifier)).json(), { error: 'invalid_grant' })
    for (const { access_token } of [first, other, login]) t.ok(await isRefused(app, access_token))
    const found = await sql(`select detail from audit_log where event = 'session.code_reuse'`)
    t.match(found, [{ detail: { client: 'shop', session: sidOf(first.access_token) } }])
  }
})

t.test('of 20 parallel uses of a code one succeeds, and its session ends', async (t) => {
  const { app, sql, shop, getCode, exchange } = await start(t)
  const verifier = newVerifier()
  const code = await getCode(shop, verifier)
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => exchange(shop, code, verifier)),
  )
  const good = answers.filter(({ statusCode }) => statusCode === 200)
  t.equal(good.length, 1)
  t.equal(answers.filter(({ statusCode }) => statusCode === 400).length, 19)
  t.ok(await isRefused(app, good[0]?.json<{ access_token: string }>().access_token ?? ''))
  t.strictSame(await sql('select from sessions'), [])
})

t.test('a code of a login that has ended, or of a disabled user, is worth nothing', async (t) => {
  const ways = {
    logout: ({ app, login }: Awaited<ReturnType<typeof start>>) =>
      app.inject({ method: 'POST', url: '/api/logout', headers: bearer(login.access_token) }),
    disabled: ({ sql }: Awaited<ReturnType<typeof start>>) =>
      sql('update users set disabled_at = now()'),
  }
  for (const [name, end] of Object.entries(ways)) {
    const test = await start(t)
    const verifier = newVerifier()
    const code = await test.getCode(test.shop, verifier)
    await end(test)
    const answer = await test.exchange(test.shop, code, verifier)
    t.match([answer.statusCode, answer.json()], [400, { error: 'invalid_grant' }], name)
  }
})

t.test('the refresh token of an app with a secret is for that app alone', async (t) => {
  const test = await start(t)
  const { app, shop, logInTo } = test
  const other = await addApp(test, 'other')
  const { refresh_token } = await logInTo(shop)
  const form = { grant_type: 'refresh_token', refresh_token }
  const secretOf = ({ client_id, client_secret = '' }: Omit<App, 'redirect_uri'>) => ({
    client_id,
    client_secret,
  })
  for (const client of [undefined, secretOf(other)]) {
    const answer = await post(app, 'token', form, client)
    t.match([answer.statusCode, answer.json()], [400, { error: 'invalid_grant' }])
  }
  const api = await app.inject({ method: 'POST', url: '/api/refresh', payload: { refresh_token } })
  t.equal(api.statusCode, 401)
  const next = await post(app, 'token', form, secretOf(shop))
  t.equal(next.statusCode, 200, 'none of these spent it')
  const again = await post(app, 'token', form, secretOf(shop))
  t.equal(
    again.json<Record<string, string>>().refresh_token,
    next.json<Record<string, string>>().refresh_token,
    'the grace is that of any refresh',
  )
})

t.test('the refresh token of a public app works at both endpoints', async (t) => {
  const { app, shop, spa, logInTo } = await start(t)
  const { refresh_token } = await logInTo(spa)
  const form = { grant_type: 'refresh_token', refresh_token }
  const { client_id, client_secret = '' } = shop
  const wrong = await post(app, 'token', form, { client_id, client_secret })
  t.match(wrong.json(), { error: 'invalid_grant' }, 'not for another app')
  const one = await post(app, 'token', { ...form, client_id: 'spa' })
  t.match(one.json(), { refresh_token: String, refresh_expires_in: Number })
  const next = one.json<Record<string, string>>()
  const two = await app.inject({
    method: 'POST',
    url: '/api/refresh',
    payload: { refresh_token: next.refresh_token },
  })
  t.equal(two.statusCode, 200)
  t.match(claimsOf(two.json<{ access_token: string }>().access_token), { client_id: 'spa' })
})

t.test(
  'a public client proves nothing, so it gets no token of its own and may not ask',
  async (t) => {
    const { app, spa, login } = await start(t)
    const { client_id } = spa
    const own = await post(app, 'token', { grant_type: 'client_credentials', client_id })
    t.match([own.statusCode, own.json()], [401, { error: 'invalid_client' }])
    const asked = await post(app, 'introspect', { token: login.access_token, client_id })
    t.equal(asked.statusCode, 401)
    for (const client_secret of ['x', ' ']) {
      const answer = await post(
        app,
        'token',
        { grant_type: 'refresh_token', refresh_token: login.refresh_token },
        { client_id, client_secret },
      )
      t.equal(answer.statusCode, 401, 'it has no secret')
    }
  },
)

t.test('the sessions of a removed client end, and the logins stay', async (t) => {
  const test = await start(t)
  const { app, shop, spa, logInTo, login } = test
  const gone = await logInTo(shop)
  const kept = await logInTo(spa)
  await removeClient(test, 'shop')
  for (let tries = 0; tries < 40 && !(await isRefused(app, gone.access_token)); tries += 1)
    await new Promise((resolve) => setTimeout(resolve, 50))
  t.ok(await isRefused(app, gone.access_token))
  t.notOk(await isRefused(app, kept.access_token))
  t.notOk(await isRefused(app, login.access_token))
})

t.test('failed exchanges count against the network', async (t) => {
  const { shop, exchange, getCode } = await start(t, {
    RATE_LIMIT: 'on',
    RATE_LIMIT_REFRESH: '3/15m',
  })
  const verifier = newVerifier()
  for (let nth = 0; nth < 3; nth += 1)
    t.equal((await exchange(shop, 'x', verifier)).statusCode, 400)
  const refused = await exchange(shop, 'x', verifier)
  t.equal(refused.statusCode, 429)
  t.match(refused.headers['retry-after'], /^\d+$/)
  const code = await getCode(shop, verifier)
  t.equal((await exchange(shop, code, verifier)).statusCode, 200, 'a valid code still counts')
})

t.test('a session has at most 20 codes', async (t) => {
  const { sql, shop, getCode, exchange } = await start(t)
  const verifier = newVerifier()
  const oldest = await getCode(shop, verifier)
  for (let nth = 0; nth < 20; nth += 1) await getCode(shop, verifier)
  t.equal((await sql('select from authorization_codes')).length, 20)
  t.match((await exchange(shop, oldest, verifier)).json(), { error: 'invalid_grant' })
})
