import t from 'tap'
import { publicUrl, refusal, refused, socialApp, type SocialApp } from '../../support/social/app.js'
import {
  forgerClient,
  reply,
  silence,
  startForger,
  subjectOf,
  unsigned,
  type Forger,
  type Forgery,
  type Start,
} from '../../support/social/forger.js'
import { githubServer, type GithubForgery, type GithubPerson } from '../../support/social/github.js'

const forger = await startForger(t, publicUrl)
const app = await socialApp(t, { env: forger.env })
const now = () => Math.floor(Date.now() / 1_000)
const html = '<script>alert(1)</script>'

/** With these claims in the ID token, Gatehouse does not request userinfo. */
const inToken = { email: 'eve@example.org', email_verified: true }

const invalid: Record<string, Forgery> = {
  'alg none without a signature': {
    idToken: ({ header, claims }) => unsigned({ ...header, alg: 'none' }, claims),
  },
  'alg nOnE without a signature': {
    idToken: ({ header, claims }) => unsigned({ ...header, alg: 'nOnE' }, claims),
  },
  'alg none with a signature': {
    idToken: ({ header, claims, signed }) =>
      unsigned({ ...header, alg: 'none' }, claims, signed.split('.')[2]),
  },
  'alg RS256 without a signature': { idToken: ({ header, claims }) => unsigned(header, claims) },
  'signed with the client secret': {
    header: { alg: 'HS256', kid: undefined },
    key: () => forgerClient.secret,
  },
  'signed with the public key': { header: { alg: 'HS256' }, key: ({ published }) => published },
  'a foreign key with the kid of the provider': { key: ({ foreign }) => foreign },
  'a foreign key from jku and jwk in the header': {
    key: ({ foreign }) => foreign,
    header: { kid: 'x', jku: `${forger.issuer}/evil`, jwk: { kty: 'RSA', n: 'AQAB', e: 'AQAB' } },
  },
  'an unknown kid': { header: { kid: 'unknown' } },
  'an algorithm that the discovery document does not list': { header: { alg: 'PS256' } },
  'claims of another token': {
    idToken: ({ header, claims, signed }) =>
      unsigned(header, { ...claims, ...inToken }, signed.split('.')[2]),
  },
  'an unknown crit': { header: { crit: ['evil'], evil: true } },
  'another issuer': { claims: { iss: 'https://accounts.google.com' } },
  'an issuer with a slash': { claims: { iss: `${forger.issuer}/` } },
  'no issuer': { claims: { iss: undefined } },
  'the audience of another client': { claims: { aud: 'another client' } },
  'an empty audience': { claims: { aud: [] } },
  'no audience': { claims: { aud: undefined } },
  'two audiences and no azp': { claims: { aud: [forgerClient.id, 'another client'] } },
  'the azp of another client': {
    claims: { aud: [forgerClient.id, 'another client'], azp: 'another client' },
  },
  'no nonce': { claims: { nonce: undefined } },
  'a nonce that is null': { claims: { nonce: null } },
  'the nonce of another login': { claims: { nonce: 'n'.repeat(43) } },
  'an expired ID token': { claims: { iat: now() - 7_200, exp: now() - 3_600 } },
  'exp as a string': { claims: { exp: '9999999999' } },
  'no exp': { claims: { exp: undefined } },
  'no iat': { claims: { iat: undefined } },
  'iat in the future': { claims: { iat: now() + 7_200, exp: now() + 7_500 } },
  'nbf in the future': { claims: { nbf: now() + 7_200 } },
  'no subject': { claims: { sub: undefined } },
  'an empty subject': { claims: { sub: '', ...inToken } },
  'a subject of 300 characters': { claims: { sub: 's'.repeat(300), ...inToken } },
  'a number for a subject': { claims: { sub: 42, ...inToken } },
  'a list for a subject': { claims: { sub: ['42'], ...inToken } },
  'null for a subject': { claims: { sub: null, ...inToken } },
  'a subject with a NUL': { claims: { sub: 'a\0b', ...inToken } },
  'no ID token': { token: { id_token: undefined } },
  'an ID token that is not a JWT': { idToken: () => 'not.a.token' },
  'an ID token that is an object': { idToken: ({ claims }) => claims },
  'an encrypted ID token': { idToken: () => 'eyJhbGciOiJSU0EtT0FFUCJ9.a.b.c.d' },
  'another token type': { token: { token_type: 'mac' } },
  'no token type': { token: { token_type: undefined } },
  'no access token': { token: { access_token: undefined } },
  'userinfo of another subject': { userinfo: { sub: 'somebody else' } },
  'userinfo without a subject': { userinfo: { sub: undefined } },
  'a userinfo error': { userinfo: reply(401, '{"error":"invalid_token"}') },
  'userinfo that is a list': { userinfo: reply(200, '[]') },
  'a rejected code': { token: reply(400, '{"error":"invalid_grant"}') },
  'a rejected client': {
    token: reply(401, '{"error":"invalid_client"}', 'application/json', {
      'www-authenticate': 'Basic realm="x"',
    }),
  },
  'an error with HTML in it': {
    token: reply(400, JSON.stringify({ error: html, error_description: html, error_uri: html })),
  },
  'an answer that is null': { token: reply(200, 'null') },
  'an answer that is a list': { token: reply(200, '[]') },
  'the iss of another provider': { callback: { iss: 'https://evil.example' } },
  'no iss, although the metadata announces it': { callback: { iss: undefined } },
  'an error and a code': { callback: { error: 'server_error' } },
  'an error that is HTML': { callback: { code: undefined, error: html, error_description: html } },
  'no code': { callback: { code: undefined } },
  'an unknown code': { callback: { code: 'made-up' } },
  'an answer of the implicit flow': {
    callback: { code: undefined, id_token: 'a.b.c', access_token: 'x' },
  },
  'an answer in a JWT': { callback: { response: 'a.b.c' } },
}

for (const [what, forgery] of Object.entries(invalid)) {
  t.test(`a login with an invalid answer of the provider fails: ${what}`, async (t) => {
    const { back, counts } = await attempt(app, forger, forgery)
    t.same(refusal(back), refused(401, 'provider_refused'), what)
    t.notMatch(back.html, '<script')
    t.same(counts.after, counts.before)
  })
}

const failing: Record<string, Forgery['token']> = {
  'a redirect': reply(302, '', 'text/plain', { location: `${forger.issuer}/elsewhere` }),
  'a redirect that keeps the method': reply(307, '{}', 'application/json', {
    location: `${forger.issuer}/elsewhere`,
  }),
  'two megabytes': reply(200, `{"access_token":"${'x'.repeat(2_097_152)}"}`),
  'two megabytes, in pieces': (response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    for (let times = 0; times < 32; times += 1) response.write(' '.repeat(65_536))
    response.end('{}')
  },
  'status 500': reply(500, '{"error":"server_error"}'),
  'status 503': reply(503, '{"error":"temporarily_unavailable"}'),
  'a page': reply(200, '<html>Please log in</html>', 'text/html'),
  'broken JSON': reply(200, '{"access_token":'),
  'bytes that are not UTF-8': reply(200, Buffer.from([0x7b, 0xff, 0xfe, 0x7d])),
  'an empty body': reply(200, ''),
  'a broken connection': (response) => response.destroy(),
  'half an answer': (response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': 1_000 })
    response.write('{"access_token":', () => response.destroy())
  },
}

for (const [what, answer] of Object.entries(failing)) {
  for (const place of ['token', 'userinfo'] as const) {
    t.test(`${what} from the ${place} endpoint counts as an outage`, async (t) => {
      const { back, counts } = await attempt(app, forger, { [place]: answer })
      t.same(refusal(back), refused(503, 'provider_failed'))
      t.match(back.headers.get('retry-after'), /^\d+$/)
      t.same(counts.after, counts.before)
      t.notOk(forger.paths.includes('/elsewhere'), 'Gatehouse follows no redirect')
    })
  }
}

t.test('a provider that sends no complete answer times out after five seconds', async (t) => {
  const dripping: Forgery['token'] = (response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    const drip = setInterval(() => response.write(' '), 500)
    response.on('close', () => {
      clearInterval(drip)
    })
  }
  const started = performance.now()
  const forgeries: Forgery[] = [{ token: silence }, { userinfo: silence }, { token: dripping }]
  const attempts = await Promise.all(forgeries.map((forgery) => attempt(app, forger, forgery)))
  for (const { back } of attempts) t.same(refusal(back), refused(503, 'provider_failed'))
  const seconds = (performance.now() - started) / 1_000
  t.ok(seconds > 4 && seconds < 9, `${seconds} s`)
})

t.test('a login with an invalid e-mail address creates no account', async (t) => {
  const addresses: unknown[] = [
    ['eve@example.org'],
    { address: 'eve@example.org' },
    42,
    true,
    null,
    '',
    'eve',
    'eve@example.org\r\nBcc: everybody@example.org',
    'eve@example.org\0.evil.example',
    'eve@example.org, ada@example.org',
    '"eve ada"@example.org',
    'Eve <eve@example.org>',
    `${'e'.repeat(300)}@example.org`,
    'eve@example.org\u202e',
    '\ud800@example.org',
  ]
  for (const email of addresses) {
    for (const place of ['claims', 'userinfo'] as const) {
      const forgery = { [place]: { email, email_verified: true } }
      const { back, counts } = await attempt(app, forger, forgery)
      const what = `${JSON.stringify(email)} in ${place}`
      t.same(refusal(back), refused(403, 'email_required'), what)
      t.same(counts.after, counts.before, what)
    }
  }
})

t.test('only the boolean true in email_verified counts as verified', async (t) => {
  let people = 0
  for (const email_verified of ['true', 1, 'yes', [true], { value: true }, null, undefined, '1']) {
    for (const place of ['claims', 'userinfo'] as const) {
      people += 1
      const email = `truth-${people}@example.org`
      const what = `${JSON.stringify(email_verified)} in ${place}`
      const password = 'correct horse battery'
      await app.call('POST', '/api/register', { email, password })
      const { back, counts } = await attempt(app, forger, { [place]: { email, email_verified } })
      t.same(refusal(back), refused(409, 'account_exists'), what)
      t.same(counts.after, counts.before, what)
      const { status } = await app.call('POST', '/api/login', { email, password })
      t.equal(status, 200, what)
    }
  }
})

t.test('an account gets the valid part of the name, or no name', async (t) => {
  for (const [name, kept] of [
    ['Eve\r\nSet-Cookie: a=b', 'EveSet-Cookie: a=b'],
    ['Eve\0', 'Eve'],
    ['\u202eeve', 'eve'],
    ['\ud800Eve', 'Eve'],
    [' \t ', null],
    ['E'.repeat(100_000), 'E'.repeat(200)],
    [html, html],
    [['Eve'], null],
    [{ name: 'Eve' }, null],
    [null, null],
    [undefined, null],
  ] as const) {
    const visitor = app.browser()
    const { callback } = forger.back(await visitor.leave('oidc'), { userinfo: { name } })
    const back = await visitor.comeBack(callback)
    const what = JSON.stringify([name]).slice(0, 50)
    t.equal(back.status, 303, what)
    const user = await app.userOf(visitor.cookie('session'))
    t.equal(user?.name, kept, what)
    t.notMatch((await visitor.home.get('/welcome')).html, '<script')
  }
})

t.test('claims such as __proto__ and constructor have no effect', async (t) => {
  const odd = JSON.parse('{"__proto__":{"email_verified":true},"constructor":1,"toString":1}')
  const { back } = await attempt(app, forger, { userinfo: { ...odd, email: undefined } })
  t.same(refusal(back), refused(403, 'email_required'))
})

t.test('a callback with repeated or malformed parameters is refused', async (t) => {
  const state = `state=STATE&iss=${encodeURIComponent(forger.issuer)}`
  for (const callback of [
    `?code=CODE&code=CODE&${state}`,
    `?code=CODE&code=other&${state}`,
    `?code=CODE&state=other&${state}`,
    `?code=CODE&${state}&iss=https://evil.example`,
    `?code=CODE&${state}&error=a&error=b`,
    `?code[]=CODE&${state}`,
    `?code=CODE%00&${state}`,
    `?code=${'x'.repeat(5_000)}&${state}`,
    `?code=%FF&${state}`,
    '',
  ]) {
    const { back, counts } = await attempt(app, forger, { callback })
    const what = callback.slice(0, 40)
    t.ok(back.status >= 400 && back.status < 500, `${what}: ${back.status}`)
    t.notOk(back.setCookies.includes('__Host-session'), what)
    t.same(counts.after, counts.before, what)
  }
})

const starts: [what: string, start: Start, status: number, code: string][] = [
  ['of another issuer', { discovery: { issuer: 'https://evil.example' } }, 401, 'provider_refused'],
  ['without an issuer', { discovery: { issuer: undefined } }, 401, 'provider_refused'],
  [
    'without an authorization endpoint',
    { discovery: { authorization_endpoint: undefined } },
    401,
    'provider_refused',
  ],
  ['an error 500', { discovery: reply(500, '{}') }, 503, 'provider_failed'],
  ['an HTML page', { discovery: reply(200, '<html>', 'text/html') }, 503, 'provider_failed'],
  [
    'a redirect',
    { discovery: reply(302, '', 'text/plain', { location: '/elsewhere' }) },
    503,
    'provider_failed',
  ],
]

for (const [what, start, status, code] of starts) {
  t.test(`a discovery answer that is ${what} stops the login`, async (t) => {
    const { left, bad } = await leaveFor(start)
    t.same(refusal(left), refused(status, code))
    if (status === 503) t.match(left.headers.get('retry-after'), /^\d+$/)
    t.same(new Set(bad.paths), new Set(['/.well-known/openid-configuration']))
  })
}

t.test('the authorization endpoint must be an http or https URL', async (t) => {
  for (const endpoint of ['javascript:alert(1)', 'data:text/html,x', '/relative', 'file:///etc']) {
    const { left } = await leaveFor({ discovery: { authorization_endpoint: endpoint } })
    t.same(refusal(left), refused(401, 'provider_refused'), endpoint)
  }
})

t.test('after a failed discovery, the next login tries it again', async (t) => {
  let isDown = true
  const discovery: Start['discovery'] = (response, good) => {
    response.writeHead(isDown ? 500 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(good))
  }
  const late = await startForger(t, publicUrl, { discovery })
  const mine = await socialApp(t, { env: late.env, url: app.url })
  const query = { accept: 'application/json' }
  t.equal((await mine.browser().home.get('/auth/oidc', query)).status, 503)
  isDown = false
  const { back } = await attempt(mine, late, {})
  t.equal(back.status, 303)
})

const keySets: [what: string, jwks: Start['jwks'], status: number, code: string][] = [
  ['an error 500', reply(500, '{}'), 503, 'provider_failed'],
  ['an HTML page', reply(200, '<html>', 'text/html'), 503, 'provider_failed'],
  ['empty', { keys: [] }, 401, 'provider_refused'],
  ['not a list', { keys: 'none' }, 401, 'provider_refused'],
  [
    'a symmetric key',
    { keys: [{ kty: 'oct', k: 'c2VjcmV0', kid: 'own' }] },
    401,
    'provider_refused',
  ],
  ['2 MB long', reply(200, `{"keys":["${'x'.repeat(2_097_152)}"]}`), 503, 'provider_failed'],
]

for (const [what, jwks, status, code] of keySets) {
  t.test(`a login fails if the JWK set is ${what}`, async (t) => {
    const bad = await startForger(t, publicUrl, jwks && { jwks })
    const mine = await socialApp(t, { env: bad.env, url: app.url })
    const { back, counts } = await attempt(mine, bad, {})
    t.same(refusal(back), refused(status, code))
    t.same(counts.after, counts.before)
  })
}

t.test('a login with an invalid answer of GitHub fails', async (t) => {
  const github = await githubServer(t, publicUrl)
  const mine = await socialApp(t, { env: github.env })
  const email = 'eve@example.org'
  const good = { id: 1, login: 'eve', name: 'Eve' }
  const proven = { email, primary: true, verified: true }
  const table: [what: string, forgery: GithubForgery, status: number, code: string][] = [
    ['an error under 200', { token: [200, { error: 'bad_verification_code' }] }, 401, ''],
    ['no token', { token: [200, {}] }, 401, ''],
    ['a token that is a list', { token: [200, { access_token: ['x'] }] }, 401, ''],
    ['another type', { token: [200, { access_token: 'x', token_type: 'mac' }] }, 401, ''],
    ['status 502', { token: [502, {}] }, 503, ''],
    ['no id', { user: [200, { ...good, id: undefined }] }, 401, ''],
    ['an id that is a string', { user: [200, { ...good, id: '1' }] }, 401, ''],
    ['an id that is null', { user: [200, { ...good, id: null }] }, 401, ''],
    ['an id that is not an integer', { user: [200, { ...good, id: 1.5 }] }, 401, ''],
    ['an id beyond the safe integers', { user: [200, { ...good, id: 1e300 }] }, 401, ''],
    ['the id 0', { user: [200, { ...good, id: 0 }] }, 401, ''],
    ['a user that is null', { user: [200, null] }, 401, ''],
    ['an error for the user', { user: [403, { message: html }] }, 401, ''],
    ['an error for the addresses', { emails: [404, { message: 'Not Found' }] }, 401, ''],
    ['addresses that are not a list', { emails: [200, { email }] }, 401, ''],
    ['"true" instead of true', { emails: [200, [{ ...proven, verified: 'true' }]] }, 401, ''],
    ['1 instead of true', { emails: [200, [{ ...proven, primary: 1 }]] }, 401, ''],
    ['an address that is a list', { emails: [200, [{ ...proven, email: [email] }]] }, 401, ''],
    ['status 500 for the addresses', { emails: [500, {}] }, 503, ''],
    ['no address', { emails: [200, []] }, 403, 'email_required'],
    [
      'an address with a NUL',
      { emails: [200, [{ ...proven, email: 'e\0@example.org' }]] },
      403,
      'email_required',
    ],
  ]
  const codes: Record<number, string> = { 401: 'provider_refused', 503: 'provider_failed' }
  let id = 0
  for (const [what, forgery, status, code] of table) {
    id += 1
    const person: GithubPerson = { ...good, id, emails: [proven] }
    github.forge(id, forgery)
    const back = await mine.browser().signIn('github', person)
    t.same(refusal(back), refused(status, codes[status] ?? code), what)
  }
  t.same(await mine.counts(), { users: 0, sessions: 0, identities: 0 })
})

t.test('the error page contains no text from the provider', async (t) => {
  const { back } = await attempt(app, forger, { token: reply(400, `{"error":"${html}"}`) }, true)
  t.equal(back.status, 401)
  t.match(back.headers.get('content-type'), /^text\/html/)
  t.notMatch(back.html, '<script>alert')
  t.notMatch(back.html, 'invalid_grant')
  const canceled = { callback: { code: undefined, error: 'server_error', error_description: html } }
  const other = await attempt(app, forger, canceled, true)
  t.equal(other.back.status, 401)
  t.notMatch(other.back.html, 'alert(1)')
})

t.test('a valid login succeeds, with the address in userinfo or in the ID token', async (t) => {
  for (const forgery of [{}, { claims: { email: 'ida@example.org', email_verified: true } }]) {
    const visitor = app.browser()
    const { callback, code, email } = forger.back(await visitor.leave('oidc'), forgery)
    t.equal((await visitor.comeBack(callback)).status, 303)
    const user = await app.userOf(visitor.cookie('session'))
    t.equal(user.email, forgery.claims?.email ?? email)
    const subjects = await app.sql('select subject from identities where user_id = $1', [user.id])
    t.same(subjects, [{ subject: subjectOf(code) }])
  }
})

/** One login with this forgery, and what it left behind. */
async function attempt(at: SocialApp, by: Forger, forgery: Forgery, html = false) {
  const visitor = at.browser()
  const page = await visitor.leave('oidc')
  const before = await at.counts()
  const back = await visitor.comeBack(by.back(page, forgery).callback, { html })
  return { back, counts: { before, after: await at.counts() } }
}

/** The first step of a login at a provider that starts like this. */
async function leaveFor(start: Start) {
  const bad = await startForger(t, publicUrl, start)
  const { browser } = await socialApp(t, { env: bad.env, url: app.url })
  const left = await browser().home.get('/auth/oidc', { accept: 'application/json' })
  return { left, bad }
}
