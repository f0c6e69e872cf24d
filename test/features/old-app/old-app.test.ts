import { generateKeyPairSync } from 'node:crypto'
import { createSigner } from 'fast-jwt'
import t, { type Test } from 'tap'
import { bearer, logIn, signUp, testApp, type TestApp } from '../../support/app.js'
import { foreignHash } from '../../support/foreign-hashes.js'
import { oldAppEnv, oldCookie, oldSecrets, oldToken } from '../../support/old-app.js'

const password = 'correct horse battery'

type Place = TestApp & { pass: (seconds: number) => void }

async function place(
  t: Test,
  env: Record<string, string> = {},
  base: Record<string, string> = oldAppEnv,
): Promise<Place> {
  let passed = 0
  const now = () => new Date(Date.now() + passed)
  const test = await testApp(t, { env: { ...base, ...env }, now })
  await imported(test, 'ada', '12')
  return { ...test, pass: (seconds) => void (passed += seconds * 1_000) }
}

/** A user as an import leaves it. */
async function imported({ sql }: TestApp, name: string, oldId: string): Promise<string> {
  const { hash, scheme } = foreignHash('werkzeug scrypt')
  const email = `${name}@example.org`
  const [row] = await sql<{ id: string }>(
    `insert into users (id, username, username_canonical, email, email_canonical, password_hash,
       password_scheme, activated_at)
     values (gen_random_uuid(), $1, $1, $2, $2, $3, $4, now()) returning id`,
    [name, email, hash, scheme],
  )
  await sql('insert into imported_names (name, user_id) select unnest($1::text[]), $2', [
    [`id:${oldId}`, `email:${email}`, `username:${name}`],
    row?.id,
  ])
  return row?.id ?? ''
}

const refresh = async ({ app }: TestApp, token: string) =>
  app.inject({ method: 'POST', url: '/api/refresh', headers: bearer(token) })

const refreshOld = async ({ app }: TestApp, token: string) =>
  app.inject({ url: '/user/refresh-token/', headers: bearer(token) })

const home = async ({ app }: TestApp, cookie: string, headers: Record<string, string> = {}) =>
  app.inject({ url: '/', headers: { ...headers, cookie: `session=${cookie}` } })

t.test('a refresh token of the old app logs in, and the session goes on', async (t) => {
  const test = await place(t)
  const reply = await refresh(test, oldToken())
  t.equal(reply.statusCode, 200)
  const { access_token, refresh_token } = reply.json<Record<string, string>>()
  const user = await test.app.inject({ url: '/api/user', headers: bearer(access_token ?? '') })
  t.match(user.json(), { user: { email: 'ada@example.org' } })
  t.equal((await refresh(test, refresh_token ?? '')).statusCode, 200)
  const old = await refreshOld(test, oldToken())
  t.match(old.json(), { access_token: String, refresh_token: String })
  const events = await test.sql(
    `select detail->>'old_app' as kind from audit_log where event = 'login.succeeded'`,
  )
  t.strictSame(events, [{ kind: 'jwt' }, { kind: 'jwt' }])
})

t.test('a session cookie of the old app logs in on any page, answered with ours', async (t) => {
  const test = await place(t)
  const reply = await home(test, oldCookie(), { accept: 'application/json' })
  t.match(reply.json(), { status: 'success', user: { email: 'ada@example.org' } })
  const names = reply.cookies.map(({ name }) => name)
  t.ok(names.includes('session') && names.includes('refresh'), names.join())
  const session = reply.cookies.find(({ name }) => name === 'session')?.value ?? ''
  t.match((await home(test, session)).json(), { user: { email: 'ada@example.org' } })
  const compressed = oldCookie(
    { _permanent: true, email: 'ada@example.org', likes: 'tea '.repeat(50) },
    { compressed: true },
  )
  const page = await test.app.inject({
    url: '/welcome',
    headers: { cookie: `session=${compressed}` },
  })
  t.equal(page.statusCode, 200)
})

t.test('over https the old cookie is removed', async (t) => {
  const test = await place(t, { PUBLIC_URL: 'https://auth.example.org' })
  const reply = await home(test, oldCookie(), { 'sec-fetch-site': 'none' })
  t.equal(reply.statusCode, 200)
  const lines = [reply.headers['set-cookie']].flat().map(String)
  t.ok(lines.some((line) => /^__Host-session=ey/.test(line)))
  t.ok(
    lines.some((line) => /^session=;.*Path=\/;/.test(line)),
    lines.join('\n'),
  )
})

t.test('each old token and cookie logs in once, also at the same time', async (t) => {
  const test = await place(t)
  const token = oldToken()
  const replies = await Promise.all(Array.from({ length: 8 }, () => refresh(test, token)))
  t.strictSame(replies.map(({ statusCode }) => statusCode).sort(), [
    200,
    ...Array.from({ length: 7 }, () => 401),
  ])
  const cookie = oldCookie()
  t.equal((await home(test, cookie)).statusCode, 200)
  t.equal((await home(test, cookie)).statusCode, 401)
  const [header = '', payload = '', signature = ''] = token.split('.')
  const last = signature.slice(-1) === 'A' ? 'B' : 'A'
  const forms = [`${header}.${payload}.${signature.slice(0, -1)}${last}`, `${token}=`, ` ${token}`]
  for (const form of forms)
    t.equal((await refresh(test, form)).statusCode, 401, 'nor in another form')
  const refused = await test.sql(
    `select detail from audit_log where event = 'login.failed' and user_id is not null`,
  )
  t.match(refused[0], { detail: { old_app: 'jwt', reason: 'used' } })
})

t.test('a forged, expired or foreign token is refused', async (t) => {
  const test = await place(t, { OLD_APP_JWT_ISSUER: 'shop' })
  const now = Math.floor(Date.now() / 1_000)
  const good = { iss: 'shop' }
  const bad = {
    'another secret': oldToken(good, { secret: `${oldSecrets.jwt}x` }),
    'the secret of the cookies': oldToken(good, { secret: oldSecrets.cookie }),
    'another algorithm': oldToken(good, { algorithm: 'HS512' }),
    'no signature': `${Buffer.from('{"alg":"none"}').toString('base64url')}.${oldToken(good).split('.')[1]}.`,
    expired: oldToken({ ...good, exp: now - 1 }),
    'without an end': oldToken({ ...good, exp: undefined }),
    'an end that is a text': oldToken({ ...good, exp: `${now + 60}` }),
    'not yet valid': oldToken({ ...good, nbf: now + 600 }),
    'of the future': oldToken({ ...good, iat: now + 600 }),
    'an access token': oldToken({ ...good, type: 'access' }),
    'without a type': oldToken({ ...good, type: undefined }),
    'another issuer': oldToken({ iss: 'other' }),
    'another user': oldToken({ ...good, sub: '99' }),
    'a user as an object': oldToken({ ...good, sub: { id: 12 } }),
    'no user': oldToken({ ...good, sub: undefined }),
    'another claim': oldToken({ ...good, sub: undefined, identity: '12' }),
  }
  for (const [name, token] of Object.entries(bad)) {
    for (const reply of [await refresh(test, token), await refreshOld(test, token)]) {
      t.equal(reply.statusCode, 401, name)
    }
  }
  const bearerOf = { url: '/api/user', headers: bearer(oldToken(good)) }
  t.equal((await test.app.inject(bearerOf)).statusCode, 401, 'nor does it serve as an access token')
  t.equal((await refresh(test, oldToken(good))).statusCode, 200)
})

t.test('a forged, expired or foreign cookie is refused', async (t) => {
  const test = await place(t)
  const now = Math.floor(Date.now() / 1_000)
  const ada = { email: 'ada@example.org' }
  const good = oldCookie()
  const [payload, time, signature] = good.split('.')
  const bad = {
    'another secret': oldCookie(ada, { secret: `${oldSecrets.cookie}x` }),
    'the secret of the tokens': oldCookie(ada, { secret: oldSecrets.jwt }),
    'another salt': oldCookie(ada, { salt: 'itsdangerous' }),
    expired: oldCookie(ada, { at: now - 32 * 86_400 }),
    'of the future': oldCookie(ada, { at: now + 3_600 }),
    'another payload': `${Buffer.from('{"email":"eve@example.org"}').toString('base64url')}.${time}.${signature}`,
    'without a signature': `${payload}.${time}.`,
    'another user': oldCookie({ email: 'eve@example.org' }),
    'another key': oldCookie({ user: 'ada@example.org' }),
    'an empty session': oldCookie({}),
    'a bomb': oldCookie({ ...ada, x: 'x'.repeat(200_000) }, { compressed: true }),
  }
  for (const [name, cookie] of Object.entries(bad)) {
    t.equal((await home(test, cookie)).statusCode, 401, name)
  }
  const both = { url: '/', headers: { cookie: `session=${good}; session=${good}` } }
  t.equal((await test.app.inject(both)).statusCode, 401, 'two cookies count as none')
  const withToken = { url: '/', headers: { cookie: `session=${good}`, ...bearer('x') } }
  t.equal((await test.app.inject(withToken)).statusCode, 401, 'nor one beside a token')
  const head = await test.app.inject({
    method: 'HEAD',
    url: '/',
    headers: { cookie: `session=${good}` },
  })
  t.equal(head.statusCode, 401, 'HEAD changes nothing')
  t.equal((await home(test, good)).statusCode, 200)
})

t.test('only imported users log in so', async (t) => {
  const test = await place(t, { OLD_APP_JWT_USER: 'sub=email' })
  await signUp(test.app, { email: 'bob@example.org', password })
  t.equal((await refresh(test, oldToken({ sub: 'bob@example.org' }))).statusCode, 401)
  t.equal((await refresh(test, oldToken({ sub: 'ADA@example.org' }))).statusCode, 200)
})

t.test('a name means the user who had it in the old app', async (t) => {
  const test = await place(t)
  await imported(test, 'eve', '13')
  await test.sql(
    `update users set email = 'new@example.org', email_canonical = 'new@example.org' where username = 'ada'`,
  )
  await test.sql(
    `update users set email = 'ada@example.org', email_canonical = 'ada@example.org' where username = 'eve'`,
  )
  t.match((await home(test, oldCookie())).json(), { user: { username: 'ada' } })
  await imported(test, 'bob', '13')
  t.equal((await refresh(test, oldToken({ sub: '13' }))).statusCode, 401, 'of two apps: neither')
})

const endings: Record<string, (test: TestApp, id: string) => Promise<unknown>> = {
  'the password was changed': async ({ app }) => {
    const { access_token } = await logIn(app, { email: 'ada@example.org', password })
    const payload = { old_password: password, new_password: 'another horse battery' }
    return app.inject({
      method: 'POST',
      url: '/api/user/password',
      headers: bearer(access_token),
      payload,
    })
  },
  'all sessions were ended': async ({ app }) => {
    const { access_token } = await logIn(app, { email: 'ada@example.org', password })
    const payload = { everywhere: true }
    return app.inject({
      method: 'POST',
      url: '/api/logout',
      headers: bearer(access_token),
      payload,
    })
  },
  'the account was disabled and enabled': async ({ app, sql }, id) => {
    const admin = await signUp(app, { email: 'root@example.org', password })
    await sql(`insert into user_roles (user_id, role) values ($1, 'admin')`, [admin.user.id])
    const { access_token } = await logIn(app, { email: 'root@example.org', password })
    for (const change of ['disable', 'enable']) {
      const url = `/api/users/${id}/${change}`
      const reply = await app.inject({ method: 'POST', url, headers: bearer(access_token) })
      if (reply.statusCode !== 200) throw new Error(reply.body)
    }
  },
  'the account is disabled': async ({ sql }, id) =>
    sql('update users set disabled_at = now() where id = $1', [id]),
  'the user has a second factor': async ({ sql }, id) =>
    sql('insert into totp_factors (user_id, secret, confirmed_at) values ($1, $2, now())', [
      id,
      Buffer.from('sealed'),
    ]),
  'the account is not activated': async ({ sql }, id) =>
    sql('update users set activated_at = null where id = $1', [id]),
}

for (const [reason, end] of Object.entries(endings)) {
  t.test(`no old token or cookie logs in when ${reason}`, async (t) => {
    const test = await place(t)
    const [row] = await test.sql<{ id: string }>(`select id from users where username = 'ada'`)
    const [token, cookie] = [oldToken(), oldCookie()]
    await end(test, row?.id ?? '')
    t.equal((await refresh(test, token)).statusCode, 401)
    t.equal((await home(test, cookie)).statusCode, 401)
  })
}

t.test('after the last day every old token is refused', async (t) => {
  const test = await place(t)
  const end = Date.parse(oldAppEnv.OLD_APP_UNTIL)
  const far = Math.floor(end / 1_000) + 10 * 86_400
  test.pass((end - Date.now()) / 1_000 - 60)
  t.equal((await refresh(test, oldToken({ exp: far }))).statusCode, 200)
  test.pass(61)
  t.equal((await refresh(test, oldToken({ exp: far }))).statusCode, 401)
  const at = Math.floor(end / 1_000) - 60
  t.equal((await home(test, oldCookie({ email: 'ada@example.org' }, { at }))).statusCode, 401)
})

t.test('without the variables an old token means nothing', async (t) => {
  const test = await testApp(t)
  await imported(test, 'ada', '12')
  t.equal((await refresh(test, oldToken())).statusCode, 401)
  t.equal((await home(test, oldCookie())).statusCode, 401)
})

t.test('an old token is no recent login', async (t) => {
  const test = await place(t)
  const { access_token } = (await refresh(test, oldToken())).json<{ access_token: string }>()
  const reply = await test.app.inject({
    method: 'DELETE',
    url: '/api/user',
    headers: bearer(access_token),
    payload: {},
  })
  t.match(reply.json(), { code: 'reauthentication_required' })
})

t.test('tokens of flask-jwt-extended 3, and of PyJWT, name the user as they do', async (t) => {
  const v3 = await place(t, { OLD_APP_JWT_USER: 'identity=username' })
  const { statusCode } = await refresh(v3, oldToken({ sub: undefined, identity: 'ada' }))
  t.equal(statusCode, 200)
  const plain = await place(t, { OLD_APP_JWT_USER: 'user_id=id', OLD_APP_JWT_TYPE: 'none' })
  const claims = { sub: undefined, type: undefined, user_id: 12 }
  t.equal((await refresh(plain, oldToken(claims))).statusCode, 200)
  t.equal((await refresh(plain, oldToken({ ...claims, type: 'access' }))).statusCode, 401)
})

t.test('tokens with public keys are verified with the key that they name', async (t) => {
  const pair = () => generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const [one, other, stranger] = [pair(), pair(), pair()]
  const keys = [one, other].map(({ publicKey }, at) => ({
    ...publicKey.export({ format: 'jwk' }),
    kid: `key ${at}`,
  }))
  const { OLD_APP_UNTIL } = oldAppEnv
  const OLD_APP_JWT_KEYS = JSON.stringify({ keys })
  const base = { OLD_APP_UNTIL, OLD_APP_JWT_KEYS, OLD_APP_JWT_ALGORITHM: 'ES256' }
  const test = await place(t, {}, base)
  const sign = ({ privateKey }: ReturnType<typeof pair>, kid?: string) =>
    createSigner({
      key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      algorithm: 'ES256',
      ...(kid !== undefined && { kid }),
    })({ sub: '12', type: 'refresh', exp: Math.floor(Date.now() / 1_000) + 60 })
  t.equal((await refresh(test, sign(other, 'key 1'))).statusCode, 200)
  for (const token of [sign(other, 'key 0'), sign(stranger, 'key 1'), sign(one), sign(one, 'x')]) {
    t.equal((await refresh(test, token)).statusCode, 401)
  }
  t.equal((await refresh(test, oldToken())).statusCode, 401, 'and none with a secret')
})
