import t from 'tap'
import { bearer, signUp, testApp, type LoginAnswer, type TestApp } from '../../support/app.js'
import { passGrace } from '../../support/pass-time.js'
import { addClient, basic, claimsOf, isForm, post } from '../../support/oauth.js'

const ownToken = { grant_type: 'client_credentials' }

const grantFor = (refresh_token: string) => ({ grant_type: 'refresh_token', refresh_token })

const isAccepted = async (app: TestApp['app'], token: string) =>
  (await app.inject({ url: '/api/user', headers: bearer(token) })).statusCode === 200

t.test('a client gets an access token with its name and roles, but no refresh token', async (t) => {
  const service = await testApp(t)
  const { app, sql } = service
  await sql(`insert into roles values ('reader')`)
  const client = await addClient(service, 'reports', ['reader', 'admin', 'reader'])
  const before = Math.floor(Date.now() / 1_000)
  const answer = await post(app, 'token', ownToken, client)
  t.equal(answer.statusCode, 200)
  t.match(answer.headers, { 'cache-control': 'no-store', pragma: 'no-cache' })
  t.notOk(answer.headers['set-cookie'])
  const { access_token, ...rest } = answer.json<{ access_token: string }>()
  t.strictSame(rest, { token_type: 'Bearer', expires_in: 900 })

  const [row] = await sql<{ id: string }>('select id from clients')
  const { jti, iat, exp, ...claims } = claimsOf(access_token)
  t.strictSame(claims, {
    iss: 'http://localhost:3000',
    aud: 'gatehouse',
    sub: row?.id,
    client_id: 'reports',
    sid: row?.id,
    gen: 0,
    roles: ['admin', 'reader'],
    epoch: 0,
  })
  t.match(jti, /^[0-9a-f-]{36}$/)
  t.ok(Number(iat) >= before)
  t.equal(Number(exp), Number(iat) + 900)
  const [head = ''] = access_token.split('.')
  t.match(JSON.parse(Buffer.from(head, 'base64url').toString()), { typ: 'at+jwt', alg: 'ES256' })
  const other = (await post(app, 'token', ownToken, client)).json<{ access_token: string }>()
  t.not(claimsOf(other.access_token).jti, jti)
})

t.test('a client does not get a deleted role back when the role is created again', async (t) => {
  const service = await testApp(t)
  const { app, sql } = service
  await sql(`insert into roles values ('reader')`)
  const client = await addClient(service, 'reports', ['reader'])
  await sql(`delete from roles where name = 'reader'`)
  await sql(`insert into roles values ('reader')`)
  const answer = await post(app, 'token', ownToken, client)
  t.strictSame(claimsOf(answer.json<{ access_token: string }>().access_token).roles, [])
})

t.test('client_credentials needs an authenticated client', async (t) => {
  const service = await testApp(t)
  const client = await addClient(service)
  const wrong = { ...client, client_secret: `${client.client_secret}x` }
  const tries = [
    await post(service.app, 'token', ownToken),
    await post(service.app, 'token', ownToken, wrong),
    await post(service.app, 'token', { ...ownToken, client_id: 'reports' }),
    await post(service.app, 'token', { ...ownToken, client_id: 'gatehouse' }),
    await post(service.app, 'token', { ...ownToken, client_id: 'gatehouse', client_secret: 'x' }),
  ]
  for (const answer of tries) {
    t.equal(answer.statusCode, 401)
    t.match(answer.json(), { error: 'invalid_client' })
    t.match(answer.headers['www-authenticate'], /^Basic /)
  }
})

t.test('the grant refresh_token returns the next pair, like /api/refresh', async (t) => {
  const service = await testApp(t)
  const { app } = service
  const client = await addClient(service)
  let { refresh_token } = await signUp(app)
  const ways: Record<string, string>[] = [{}, { client_id: 'gatehouse' }]
  for (const way of ways) {
    const answer = await post(app, 'token', { ...grantFor(refresh_token), ...way })
    t.equal(answer.statusCode, 200)
    t.match(answer.headers, { 'cache-control': 'no-store', pragma: 'no-cache' })
    t.notOk(answer.headers['set-cookie'], 'the endpoint sets no cookies')
    const pair = answer.json<LoginAnswer>()
    const { access_token, refresh_token: next, ...rest } = pair
    t.strictSame(rest, {
      token_type: 'Bearer',
      expires_in: 900,
      refresh_expires_in: rest.refresh_expires_in,
    })
    t.ok(Math.abs(rest.refresh_expires_in - 14 * 86_400) < 5)
    t.ok(await isAccepted(app, access_token))
    refresh_token = next
  }
  t.equal((await post(app, 'token', grantFor(refresh_token), client)).statusCode, 200)
})

t.test('wrong client credentials with a refresh token are refused', async (t) => {
  const service = await testApp(t)
  const { app } = service
  const client = await addClient(service)
  const { refresh_token } = await signUp(app)
  const wrong = { ...client, client_secret: 'wrong' }
  t.equal((await post(app, 'token', grantFor(refresh_token), wrong)).statusCode, 401)
  const byId = { ...grantFor(refresh_token), client_id: 'reports' }
  t.equal((await post(app, 'token', byId)).statusCode, 401)
  const answer = await post(app, 'token', grantFor(refresh_token))
  t.equal(
    claimsOf(answer.json<LoginAnswer>().refresh_token).gen,
    1,
    'the refused requests did not use the token',
  )
})

t.test('concurrent uses of a refresh token at both endpoints are one rotation', async (t) => {
  const { app, sql } = await testApp(t)
  const { refresh_token } = await signUp(app)
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, nth) =>
      nth % 2 === 0
        ? post(app, 'token', grantFor(refresh_token))
        : app.inject({ method: 'POST', url: '/api/refresh', payload: { refresh_token } }),
    ),
  )
  t.same(new Set(answers.map(({ statusCode }) => statusCode)), new Set([200]))
  const successors = answers.map((answer) => claimsOf(answer.json<LoginAnswer>().refresh_token))
  t.equal(new Set(successors.map((claims) => JSON.stringify(claims))).size, 1)
  t.match(await sql('select generation from sessions'), [{ generation: 1 }])
})

t.test('after the grace a spent token ends its session and access tokens', async (t) => {
  const { app, sql } = await testApp(t)
  const { refresh_token } = await signUp(app)
  const next = (await post(app, 'token', grantFor(refresh_token))).json<LoginAnswer>()
  t.ok(await isAccepted(app, next.access_token))
  await passGrace(sql)
  const replay = await post(app, 'token', grantFor(refresh_token))
  t.equal(replay.statusCode, 400)
  t.match(replay.json(), { error: 'invalid_grant' })
  t.notOk(await isAccepted(app, next.access_token))
  t.match((await post(app, 'token', grantFor(next.refresh_token))).json(), {
    error: 'invalid_grant',
  })
})

t.test('every invalid refresh token gets the same invalid_grant', async (t) => {
  const { app, sql } = await testApp(t)
  const { access_token, refresh_token } = await signUp(app)
  await sql('update users set disabled_at = now()')
  const bodies = new Set<string>()
  for (const token of [access_token, refresh_token, 'garbage', 'a.b.c', 'x'.repeat(9_000)]) {
    const answer = await post(app, 'token', grantFor(token))
    t.equal(answer.statusCode, 400)
    t.notOk(answer.headers['www-authenticate'])
    bodies.add(answer.body)
  }
  t.equal(bodies.size, 1)
})

t.test('failed refreshes at both endpoints share one budget', async (t) => {
  const env = { RATE_LIMIT: 'on', RATE_LIMIT_REFRESH: '4/15m' }
  const { app } = await testApp(t, { env })
  const { refresh_token } = await signUp(app)
  for (let nth = 0; nth < 2; nth += 1) {
    t.equal((await post(app, 'token', grantFor('garbage'))).statusCode, 400)
    const there = { method: 'POST', url: '/api/refresh' } as const
    t.equal((await app.inject({ ...there, headers: bearer('garbage') })).statusCode, 401)
  }
  const refused = await post(app, 'token', grantFor('garbage'))
  t.equal(refused.statusCode, 429)
  t.match(refused.headers['retry-after'], /^\d+$/)
  t.match(refused.json(), { error: 'temporarily_unavailable' })
  t.equal((await post(app, 'token', grantFor(refresh_token))).statusCode, 200)
})

t.test('other grants and scopes are refused', async (t) => {
  const service = await testApp(t)
  const { app } = service
  const client = await addClient(service)
  const { refresh_token } = await signUp(app)
  const unsupported = [
    ...['password', 'code', 'implicit', 'CLIENT_CREDENTIALS', 'constructor'],
    ...['__proto__', 'client_credentials ', 'urn:ietf:params:oauth:grant-type:jwt-bearer'],
  ]
  for (const grant_type of unsupported) {
    const answer = await post(app, 'token', { grant_type }, client)
    t.equal(answer.statusCode, 400)
    t.match(answer.json(), { error: 'unsupported_grant_type' }, grant_type)
  }
  for (const scope of ['admin', 'openid', ' ']) {
    const answer = await post(app, 'token', { ...ownToken, scope }, client)
    t.equal(answer.statusCode, 400)
    t.match(answer.json(), { error: 'invalid_scope' }, scope)
    const refused = await post(app, 'token', { ...grantFor(refresh_token), scope })
    t.match(refused.json(), { error: 'invalid_scope' }, scope)
  }
  t.equal((await post(app, 'token', { ...ownToken, scope: '' }, client)).statusCode, 200)
  t.equal((await post(app, 'token', 'grant_type=', client)).statusCode, 400)
  const without = await post(app, 'token', { grant_type: 'refresh_token' })
  t.match(without.json(), { error: 'invalid_request', error_description: /refresh_token/ })
})

t.test('the token endpoint ignores the refresh cookie', async (t) => {
  const { app } = await testApp(t)
  const { refresh_token } = await signUp(app)
  const answer = await app.inject({
    method: 'POST',
    url: '/oauth/token',
    headers: { ...isForm, cookie: `refresh=${refresh_token}` },
    payload: 'grant_type=refresh_token',
  })
  t.equal(answer.statusCode, 400)
})

t.test('answers and log lines contain no client secret', async (t) => {
  const log: string[] = []
  const logTo = { write: (line: string) => void log.push(line) }
  const service = await testApp(t, { env: { LOG_LEVEL: 'trace' }, logTo })
  const { app } = service
  const client = await addClient(service)
  const { refresh_token } = await signUp(app)
  const answers = [
    await post(app, 'token', ownToken, client),
    await post(app, 'token', { ...ownToken, ...client }),
    await post(app, 'token', { ...ownToken, ...client, scope: 'x' }),
    await post(app, 'token', { ...ownToken, client_secret: client.client_secret }),
    await post(app, 'token', grantFor(`${refresh_token}x`), client),
    await post(app, 'introspect', { token: refresh_token }, client),
    await post(app, 'revoke', { token: refresh_token }, client),
  ]
  t.ok(log.length >= answers.length)
  const all = log.join('') + answers.map(({ body }) => body).join('')
  t.notMatch(all, client.client_secret)
  t.notMatch(all, basic(client).authorization)
  t.notMatch(log.join(''), refresh_token)
})
