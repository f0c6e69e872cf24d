import type { AccessClaims } from '@gatehouse/verify/protocol'
import t, { type Test } from 'tap'
import { identityHeaders } from '../../src/forward-auth/identity.js'
import { bearer, logIn, signUp, testApp, verifyEmails, type TestApp } from '../support/app.js'
import { refreshed, clientOf } from '../support/http/client.js'

const password = 'correct horse battery'
const names = ['user', 'email', 'name', 'groups'] as const

/** Returns the status and the four headers; null for a missing header. */
async function askedAs({ app }: TestApp, token: string) {
  const answer = await app.inject({ url: '/forward-auth', headers: bearer(token) })
  const headers = names.map((name) => [name, answer.headers[`remote-${name}`] ?? null] as const)
  return { status: answer.statusCode, ...Object.fromEntries(headers) } as Record<string, unknown>
}

/** Creates a user with values that the API would reject, as an import might leave them. */
async function called(t: Test, values: Record<string, string | null>) {
  const service = await testApp(t)
  const account = { email: 'ada@example.org', password }
  const { user } = await signUp(service.app, account)
  await verifyEmails(service)
  for (const [column, value] of Object.entries(values)) {
    await service.sql(`update users set ${column} = $2 where id = $1`, [user.id, value])
  }
  return { service, id: user.id, login: await logIn(service.app, account) }
}

t.test('all four headers are set, and empty if there is no value', async (t) => {
  const service = await testApp(t)
  const { app, sql } = service
  const known = { email: 'ada@example.org', username: 'ada', name: 'Ada', password }
  const { user } = await signUp(app, known)
  await verifyEmails(service)
  const { access_token } = await logIn(app, known)
  t.strictSame(await askedAs(service, access_token), {
    ...{ status: 200, user: user.id, email: 'ada@example.org', name: 'Ada', groups: 'user' },
  })
  for (const [account, email, name] of [
    [{ email: 'bob@example.org', password }, 'bob@example.org', ''],
    [{ username: 'Carol', password }, '', 'Carol'],
    [{ mobile: '+441632960960', password }, '', ''],
  ] as const) {
    const { user } = await signUp(app, account)
    await verifyEmails(service)
    const { access_token: token } = await logIn(app, account)
    const expected = { status: 200, user: user.id, email, name, groups: 'user' }
    t.strictSame(await askedAs(service, token), expected)
  }
  await sql('delete from user_roles where user_id = $1', [user.id])
  const bare = await logIn(app, known)
  t.match(await askedAs(service, bare.access_token), { status: 200, groups: '' })
  await sql(`insert into roles values ('editor')`)
  await sql(`insert into user_roles values ($1, 'editor'), ($1, 'admin'), ($1, 'user')`, [user.id])
  const many = await logIn(app, known)
  t.match(await askedAs(service, many.access_token), { status: 200, groups: 'admin,editor,user' })
})

t.test('Remote-Email is empty if the token has no email_verified', async (t) => {
  const { app } = await testApp(t)
  const { access_token } = await signUp(app)
  const claims = { ...claimsOf(access_token), email: 'ada@example.org' } as never as AccessClaims
  t.match(identityHeaders(claims), { 'remote-user': claims.sub, 'remote-email': '' })
  t.match(identityHeaders({ ...claims, email_verified: true }), { 'remote-email': claims.email })
})

t.test('the answer has no body and is not cached', async (t) => {
  const { app } = await testApp(t)
  const { access_token } = await signUp(app)
  const { body, headers } = await app.inject({
    url: '/forward-auth',
    headers: bearer(access_token),
  })
  t.equal(body, '')
  t.match(headers, { 'content-length': '0', 'cache-control': 'no-store' })
  t.equal(headers['set-cookie'], undefined)
})

const hostile: [name: string, header: string][] = [
  ['José Ñandú', 'Jos%C3%A9 %C3%91and%C3%BA'],
  ['李小龍', '%E6%9D%8E%E5%B0%8F%E9%BE%8D'],
  ['🦁👨‍👩‍👧', '%F0%9F%A6%81%F0%9F%91%A8%E2%80%8D%F0%9F%91%A9%E2%80%8D%F0%9F%91%A7'],
  ['100% Ada', '100%25 Ada'],
  ['%0d%0aRemote-Groups: admin', '%250d%250aRemote-Groups: admin'],
  ['Ada\r\nRemote-Groups: admin', 'Ada%0D%0ARemote-Groups: admin'],
  ['Ada\nRemote-User: x', 'Ada%0ARemote-User: x'],
  ['Ada\rx\tx\x7fx\x01x\x1b', 'Ada%0Dx%09x%7Fx%01x%1B'],
  ['\u2028\u202e\u0085', '%E2%80%A8%E2%80%AE%C2%85'],
  [' Ada  Löwe ', '%20Ada  L%C3%B6we%20'],
  ['admin, "Ada" <x>; a=b\\', 'admin, "Ada" <x>; a=b\\'],
  ['', ''],
  [' ', '%20'],
  ['{http.reverse_proxy.header.X}$http_x', '{http.reverse_proxy.header.X}$http_x'],
]

t.test('any name is encoded as one header value and can be decoded', async (t) => {
  const { service, login, id } = await called(t, {})
  const client = clientOf(service.app, { email: 'ada@example.org', password }, login)
  for (const [name, header] of hostile) {
    await service.sql('update users set name = $2 where id = $1', [id, name])
    client.login = await refreshed(service, client)
    const asked = await askedAs(service, client.login.access_token)
    t.match(asked, { status: 200, user: id, name: header, groups: 'user' }, header)
    t.match(asked.name, /^[ -~]*$/)
    t.equal(decodeURIComponent(String(asked.name)), name)
  }
})

t.test('an address is encoded like a name', async (t) => {
  const { service, login } = await called(t, { email: "o'brien+%41&x{}@example.org" })
  t.match(await askedAs(service, login.access_token), {
    email: "o'brien+%2541&x{}@example.org",
  })
})

t.test('a changed name appears after the next refresh', async (t) => {
  const service = await testApp(t)
  const { app } = service
  const account = { email: 'ada@example.org', password }
  const client = clientOf(app, account, await signUp(app, account))
  t.equal((await client.send('PATCH', '/api/user', { name: 'Countess' })).status, 200)
  t.match(await askedAs(service, client.login.access_token), { status: 200, name: '' })
  const { access_token } = await refreshed(service, client)
  t.match(await askedAs(service, access_token), { status: 200, name: 'Countess' })
})

const claimsOf = (token: string) =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<
    string,
    unknown
  >

t.test('a token has the names of the user, and omits claims without a value', async (t) => {
  const service = await testApp(t)
  const { app } = service
  const whole = { email: 'Ada@Example.org', username: 'Ada', name: 'Ada', password }
  const unproven = claimsOf((await signUp(app, whole)).access_token)
  t.match(unproven, { username: 'Ada', name: 'Ada' })
  t.notOk('email' in unproven || 'email_verified' in unproven)
  await verifyEmails(service)
  t.match(claimsOf((await logIn(app, whole)).access_token), {
    ...{ email: 'Ada@Example.org', email_verified: true, username: 'Ada', name: 'Ada' },
  })
  const { access_token } = await signUp(app, { mobile: '+441632960960', password })
  for (const claim of ['email', 'email_verified', 'username', 'name', 'mobile']) {
    t.notOk(claim in claimsOf(access_token), claim)
  }
})

for (const algorithm of ['ES256', 'RS256'] as const) {
  t.test(`${algorithm}: the longest names fit into a cookie and a header`, async (t) => {
    const service = await testApp(t, { env: { JWT_ALGORITHM: algorithm } })
    const account = {
      email: `${'e'.repeat(64)}@${'x'.repeat(63)}.${'y'.repeat(63)}.${'z'.repeat(58)}`,
      username: '𐐷'.repeat(64),
      name: '🦁'.repeat(200),
      password,
    }
    t.equal(account.email.length, 251)
    await signUp(service.app, account)
    await verifyEmails(service)
    const { access_token } = await logIn(service.app, account)
    t.ok(access_token.length < 3_072, `${access_token.length} characters`)
    t.match(claimsOf(access_token), {
      ...{ email: account.email, username: account.username, name: '🦁'.repeat(100) },
    })
    const { headers } = await service.app.inject({
      url: '/forward-auth',
      headers: { cookie: `session=${access_token}` },
    })
    t.equal(headers['remote-name'], '%F0%9F%A6%81'.repeat(100))
    const size = Object.entries(headers).join('\r\n').length
    t.ok(size < 4_000, `${size} characters: nginx accepts 4 KB`)
  })
}

t.test('a long name is truncated between characters, an identifier is omitted', async (t) => {
  const long = 'x'.repeat(399)
  const { login, service } = await called(t, {
    ...{ name: `${long}🦁x`, username: 'u'.repeat(401), email: `${'e'.repeat(400)}@example.org` },
    email_canonical: 'ada@example.org',
  })
  t.match(claimsOf(login.access_token), { name: long })
  t.notOk('username' in claimsOf(login.access_token))
  t.match(await askedAs(service, login.access_token), { status: 200, name: long, email: '' })
})
