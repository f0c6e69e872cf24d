import t from 'tap'
import { ada, bearer, logIn, signUp, testApp } from '../../support/app.js'

t.test('a login returns tokens, the user and two cookies', async (t) => {
  const { app } = await testApp(t)
  await signUp(app, { name: 'Ada', ...ada })
  const answer = await app.inject({ method: 'POST', url: '/api/login', payload: ada })
  t.equal(answer.statusCode, 200)
  t.equal(answer.headers['cache-control'], 'no-store')
  t.match(answer.json(), {
    status: 'success',
    message: 'Login successful!',
    access_token: /^[\w-]+\.[\w-]+\.[\w-]+$/,
    refresh_token: /^[\w-]+\.[\w-]+\.[\w-]+$/,
    token_type: 'Bearer',
    expires_in: 900,
    user: { name: 'Ada', email: ada.email },
  })
  for (const name of ['session', 'refresh']) {
    const cookie = answer.cookies.find((cookie) => cookie.name === name)
    t.match(cookie, { path: '/', httpOnly: true, sameSite: 'Lax' })
    t.notOk(cookie?.secure)
  }
})

t.test('cookies are Secure if PUBLIC_URL or a trusted proxy says https', async (t) => {
  const { app } = await testApp(t, { env: { PUBLIC_URL: 'https://auth.example.org' } })
  await signUp(app)
  const answer = await app.inject({ method: 'POST', url: '/api/login', payload: ada })
  t.ok(answer.cookies.every(({ secure }) => secure))

  const { app: proxied } = await testApp(t)
  await signUp(proxied)
  const headers = { 'x-forwarded-proto': 'https' }
  const trusted = await proxied.inject({ method: 'POST', url: '/api/login', payload: ada, headers })
  t.ok(trusted.cookies.every(({ secure }) => secure))
  const spoofed = await proxied.inject({
    method: 'POST',
    url: '/api/login',
    payload: ada,
    headers,
    remoteAddress: '203.0.113.9',
  })
  t.notOk(spoofed.cookies.some(({ secure }) => secure))
})

t.test('a login accepts every identifier in any spelling', async (t) => {
  const { app } = await testApp(t)
  const { user } = await signUp(app, { ...ada, username: 'Ada', mobile: '+442079460000' })
  for (const identifier of [
    { email: 'ADA@example.org' },
    { username: 'ada' },
    { mobile: '+44 20 7946 0000' },
  ]) {
    const { user: found } = await logIn(app, { ...identifier, password: ada.password })
    t.equal(found.id, user.id)
  }
})

t.test('one field takes any identifier, and no other beside it', async (t) => {
  const { app } = await testApp(t)
  const { user } = await signUp(app, { ...ada, username: '1815', mobile: '+442079460000' })
  const { password } = ada
  for (const identifier of ['ADA@example.org', '+44 20 7946-0000', '1815', '\uff11815 ']) {
    const payload = { identifier, password }
    const answer = await app.inject({ method: 'POST', url: '/api/login', payload })
    t.equal(answer.json().user.id, user.id, identifier)
  }
  const refusals: [object, string, string][] = [
    [{}, 'identifier', 'Identifier is required unless email, username or mobile is given.'],
    [
      { identifier: 'a', email: ada.email },
      'email',
      'E-mail must not be given with another identifier.',
    ],
    ...['a@b@c', '+', 'a b', '\u202e1815'].map((identifier): [object, string, string] => [
      { identifier },
      'identifier',
      'Identifier must be an e-mail address, a username or a mobile number.',
    ]),
  ]
  for (const [given, field, message] of refusals) {
    const answer = await app.inject({
      method: 'POST',
      url: '/api/login',
      payload: { ...given, password },
    })
    t.match(
      answer.json(),
      { code: 'validation_failed', errors: [{ field, message }] },
      JSON.stringify(given),
    )
  }
})

t.test('a username that looks like a mobile number has a field of its own', async (t) => {
  const { app } = await testApp(t)
  const { password } = ada
  const carol = await signUp(app, { username: '442079460000', password })
  const owner = await signUp(app, { mobile: '442079460000', password: 'another horse battery' })
  const login = (payload: object) => app.inject({ method: 'POST', url: '/api/login', payload })
  t.equal((await login({ identifier: '442079460000', password })).statusCode, 401)
  const other = await login({ identifier: '442079460000', password: 'another horse battery' })
  t.equal(other.json().user.id, owner.user.id)
  const named = await login({ username: '442079460000', password })
  t.equal(named.json().user.id, carol.user.id)
})

t.test('a script that prefers text gets the bare token, and errors as JSON', async (t) => {
  const { app } = await testApp(t)
  await signUp(app)
  const login = (accept: string, payload: object = ada) =>
    app.inject({ method: 'POST', url: '/api/login', payload, headers: { accept } })
  for (const accept of ['text/plain', 'text/plain, */*', 'application/json;q=0.5, text/plain']) {
    const answer = await login(accept)
    t.match(answer.headers, { 'content-type': 'text/plain; charset=utf-8', vary: /Accept/ }, accept)
    const own = await app.inject({ url: '/api/user', headers: bearer(answer.body) })
    t.equal(own.statusCode, 200, accept)
    const refresh = answer.cookies.find(({ name }) => name === 'refresh')?.value
    const next = await app.inject({
      method: 'POST',
      url: '/api/refresh',
      headers: { accept },
      payload: { refresh_token: refresh },
    })
    t.equal((await app.inject({ url: '/api/user', headers: bearer(next.body) })).statusCode, 200)
  }
  for (const accept of [
    '*/*',
    'application/json, text/plain, */*',
    'text/html',
    'text/*;q=0.1, */*',
    '',
  ]) {
    const answer = await login(accept)
    t.match(answer.headers, { 'content-type': /^application\/json/, vary: /Accept/ }, accept)
  }
  const { app: shared } = await testApp(t, { env: { CORS_ORIGINS: 'https://app.example.org' } })
  const headers = { accept: 'text/plain', origin: 'https://app.example.org' }
  await signUp(shared)
  const across = await shared.inject({ method: 'POST', url: '/api/login', payload: ada, headers })
  t.match(across.headers.vary, /Origin, Accept/i)
  const refused = await login('text/plain', { ...ada, password: 'wrong horse battery' })
  t.match(refused.json(), { code: 'invalid_credentials' })
})

t.test('both lifetimes are told in seconds, as the tokens have them', async (t) => {
  const { app } = await testApp(t, { env: { REFRESH_TOKEN_TTL: '10m' } })
  const first = await signUp(app)
  const payload = { refresh_token: first.refresh_token }
  const second = (await app.inject({ method: 'POST', url: '/api/refresh', payload })).json()
  t.match(second, { status: 'success', message: 'Session refreshed', token_type: 'Bearer' })
  for (const answer of [first, second]) {
    const [access, refresh] = [answer.access_token, answer.refresh_token].map((token: string) =>
      JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()),
    )
    t.equal(answer.expires_in, access.exp - access.iat)
    t.equal(answer.refresh_expires_in, refresh.exp - access.iat)
    t.ok(answer.refresh_expires_in <= 600 && answer.refresh_expires_in >= answer.expires_in)
  }
})

t.test('unknown user, wrong password and disabled account get the same answer', async (t) => {
  const { app, sql } = await testApp(t)
  await signUp(app)
  const attempt = async (payload: object) => {
    const { statusCode, headers, body } = await app.inject({
      method: 'POST',
      url: '/api/login',
      payload,
    })
    return { statusCode, body, challenge: headers['www-authenticate'] }
  }
  const wrong = await attempt({ ...ada, password: 'wrong horse battery' })
  t.equal(wrong.statusCode, 401)
  t.match(JSON.parse(wrong.body), {
    status: 'error',
    code: 'invalid_credentials',
    message: 'Invalid credentials',
  })
  t.same(await attempt({ ...ada, email: 'eve@example.org' }), wrong)
  await sql('update users set disabled_at = now()')
  t.same(await attempt(ada), wrong)
  await sql('update users set activated_at = null')
  t.same(await attempt(ada), wrong)
  await sql('update users set disabled_at = null')
  t.same(await attempt({ ...ada, password: 'wrong horse battery' }), wrong)
  t.match(JSON.parse((await attempt(ada)).body), { code: 'activation_required' })
})

t.test('a malformed stored hash fails the login, without an error', async (t) => {
  const { app, sql } = await testApp(t)
  await signUp(app)
  const hashes = [
    '',
    'x',
    '$argon2id$v=19$m=1024,t=1,p=1$',
    'pbkdf2:sha256:1$a$b',
    '$argon2id$v=19$m=4194304,t=9,p=1$c29tZXNhbHQ$aGFzaA',
    null,
  ]
  for (const hash of hashes) {
    await sql('update users set password_hash = $1', [hash])
    const answer = await app.inject({ method: 'POST', url: '/api/login', payload: ada })
    t.equal(answer.statusCode, 401, String(hash))
  }
})

t.test('a login replaces a weaker hash by a stronger one, once', async (t) => {
  const { app, sql, url } = await testApp(t)
  await signUp(app)
  const hash = async () =>
    (await sql<{ password_hash: string }>('select password_hash from users'))[0]?.password_hash
  const { app: stronger } = await testApp(t, {
    url,
    env: { ARGON2_MEMORY: '2048', ARGON2_ITERATIONS: '2' },
  })
  await logIn(stronger)
  const strong = await hash()
  t.match(strong, /\$m=2048,t=2,p=1\$/)
  await logIn(stronger)
  t.equal(await hash(), strong)
  await logIn(app)
  t.equal(await hash(), strong, 'a stronger hash is not replaced by a weaker one')
})

t.test('concurrent logins succeed while the hash is replaced', async (t) => {
  const { app, url } = await testApp(t)
  await signUp(app)
  const { app: stronger } = await testApp(t, { url, env: { ARGON2_MEMORY: '2048' } })
  const logins = await Promise.all(Array.from({ length: 10 }, () => logIn(stronger)))
  t.ok(logins.every(({ access_token }) => access_token))
})

t.test('each login opens a session, and a logout ends only its own', async (t) => {
  const { app, sql } = await testApp(t)
  const first = await signUp(app)
  const second = await logIn(app)
  t.equal((await sql('select from sessions')).length, 2)
  await app.inject({ method: 'POST', url: '/api/logout', headers: bearer(first.access_token) })
  const answer = await app.inject({ url: '/api/user', headers: bearer(second.access_token) })
  t.equal(answer.statusCode, 200)
})

t.test('exactly one identifier, exactly one password', async (t) => {
  const { app } = await testApp(t)
  const bodies: [string, object][] = [
    ['identifier', { password: ada.password }],
    ['username', { ...ada, username: 'ada' }],
    ['password', { email: ada.email }],
    ['password', { email: ada.email, password: '' }],
  ]
  for (const [field, payload] of bodies) {
    const answer = await app.inject({ method: 'POST', url: '/api/login', payload })
    t.match(answer.json(), { code: 'validation_failed', errors: [{ field }] })
  }
})
