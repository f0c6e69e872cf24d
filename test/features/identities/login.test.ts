import t from 'tap'
import { githubServer, type GithubPerson } from '../../support/social/github.js'
import { openidProvider } from '../../support/social/openid-provider.js'
import { publicUrl, refusal, refused, socialApp, type SocialApp } from '../../support/social/app.js'
import { smtpSink } from '../../support/smtp-sink.js'

const openid = await openidProvider(t, publicUrl)
const github = await githubServer(t, publicUrl)
const env = { ...openid.env, ...github.env }
const main = await socialApp(t, { env })
let people = 0

t.test('the first login creates an account with a verified address', async (t) => {
  const { browser, userOf, standingOf, identitiesOf, sql } = main
  const [ada, grace] = [openidPerson(), githubPerson()]
  const emailOfGrace = grace.emails[0].email
  for (const [provider, person, email, name] of [
    ['oidc', ada, ada.email, ada.name],
    ['github', grace, emailOfGrace, 'grace hopper'],
  ] as const) {
    const visitor = browser()
    const back = await visitor.signIn(provider, person, '/welcome')
    t.equal(back.status, 303, provider)
    t.equal(back.location, '/welcome')
    const names = ['device', 'flash', 'refresh', 'session', 'social'].map((it) => `__Host-${it}`)
    t.same(back.setCookies.sort(), names)
    t.equal(visitor.cookie('__Host-social'), '', 'the transaction cookie is cleared')
    const token = visitor.cookie('session')
    const user = await userOf(token)
    t.match(user, { email, name, active: true, roles: ['user'], username: null })
    t.match(await standingOf(user.id), { email_verified: true, has_password: false })
    t.same(await identitiesOf(token), [provider])
    const events = await sql('select event, detail from audit_log where user_id = $1 order by id', [
      user.id,
    ])
    t.match(events, [
      { event: 'user.registered', detail: { provider } },
      { event: 'identity.linked', detail: { provider } },
      { event: 'login.succeeded', detail: { provider } },
    ])
    t.match((await visitor.home.get('/welcome')).html, name)
  }
})

t.test('a session of a provider login can be refreshed and logged out', async (t) => {
  const { browser, isAlive, call } = main
  const visitor = browser()
  await visitor.signIn('oidc', openidPerson())
  const [token, refresh_token] = [visitor.cookie('session'), visitor.cookie('refresh')]
  visitor.home.cookies.delete('__Host-session')
  t.equal((await visitor.home.get('/welcome')).status, 200)
  const renewed = visitor.cookie('session')
  t.not(renewed, token)
  t.ok(await isAlive(renewed))
  t.equal((await call('POST', '/api/refresh', { refresh_token })).status, 200)
  t.equal((await visitor.home.post('/logout')).status, 303)
  t.notOk(await isAlive(renewed))
  t.notOk(await isAlive(token))
  t.equal((await call('POST', '/api/refresh', { refresh_token })).status, 401)
})

t.test(
  'the authorization request has state, nonce and PKCE, and the cookie is encrypted',
  async (t) => {
    for (const [provider, scope, page] of [
      ['oidc', 'openid email profile', `${openid.issuer}/auth`],
      ['github', 'read:user user:email', `${github.origin}/login/oauth/authorize`],
    ] as const) {
      const seen = new Set<string>()
      for (let times = 0; times < 3; times += 1) {
        const { headers, location, status } = await main.browser().home.get(`/auth/${provider}`)
        t.equal(status, 303)
        const url = new URL(location ?? '')
        t.equal(url.origin + url.pathname, page)
        const asked = Object.fromEntries(url.searchParams)
        t.match(asked, {
          response_type: 'code',
          redirect_uri: `${publicUrl}/auth/${provider}/callback`,
          scope,
          state: /^[\w-]{43}$/,
          code_challenge: /^[\w-]{43}$/,
          code_challenge_method: 'S256',
          ...(provider === 'oidc' && { nonce: /^[\w-]{43}$/ }),
        })
        const [line = '', ...more] = headers.getSetCookie()
        t.same(more, [])
        const [, value = '', attributes] = /^__Host-social=([\w-]+); (.*)$/.exec(line) ?? []
        t.same(attributes?.split('; ').sort(), [
          'HttpOnly',
          'Max-Age=600',
          'Path=/',
          'SameSite=Lax',
          'Secure',
        ])
        t.ok(line.length < 4_096)
        const box = Buffer.from(value, 'base64url').toString('latin1')
        for (const secret of [asked.state!, asked.nonce ?? 'nonce', provider, 'verifier', '{']) {
          if (secret.length > 1) t.notOk((box + value).includes(secret), secret)
        }
        for (const name of ['state', 'nonce', 'code_challenge']) seen.add(asked[name] ?? '')
        seen.add(value)
        t.equal(headers.get('cache-control'), 'no-store')
      }
      t.equal(
        seen.size - (seen.has('') ? 1 : 0),
        provider === 'oidc' ? 12 : 9,
        'each value is unique',
      )
    }
  },
)

t.test('the subject identifies the user, even if the address changes', async (t) => {
  const { browser, userOf, counts } = main
  const [ada, grace, other] = [openidPerson(), githubPerson(), openidPerson()]
  const signIn = async (provider: string, person: object) => {
    const visitor = browser()
    await visitor.signIn(provider, person)
    return userOf(visitor.cookie('session'))
  }
  const [first, second, third] = [
    await signIn('oidc', ada),
    await signIn('github', grace),
    await signIn('oidc', other),
  ]
  const { users, identities } = (await counts())!
  const { email } = openidPerson()
  for (const changed of [
    { ...ada, email },
    { ...ada, email: other.email },
    { ...ada, email_verified: false },
    { sub: ada.sub },
  ]) {
    t.match(await signIn('oidc', changed), { id: first.id, email: ada.email })
  }
  const moved = { email: other.email, primary: true, verified: true }
  for (const emails of [[moved], [{ ...moved, verified: false }], []]) {
    t.match(await signIn('github', { ...grace, emails }), {
      id: second.id,
      email: grace.emails[0].email,
    })
  }
  const renamed = await signIn('github', { ...grace, login: 'someone-else' })
  t.equal(renamed.id, second.id, 'GitHub may reassign a login name, but not an id')
  t.match(await signIn('oidc', other), { id: third.id, email: other.email })
  t.match(await counts(), { users, identities })
})

t.test('the same subject at two issuers identifies two users', async (t) => {
  const { browser, userOf } = main
  const grace = githubPerson()
  const ada = { ...openidPerson(), sub: String(grace.id) }
  const [one, other] = [browser(), browser()]
  await one.signIn('oidc', ada)
  await other.signIn('github', grace)
  t.not((await userOf(one.cookie('session'))).id, (await userOf(other.cookie('session'))).id)
})

t.test('a login redirects only to allowed values of next', async (t) => {
  const app = await socialApp(t, { env: { ...env, CORS_ORIGINS: 'https://app.example.org' } })
  const visitors = [app.browser(), app.browser()]
  const person = openidPerson()
  for (const [next, location] of [
    [undefined, '/'],
    ['', '/'],
    ['/welcome?a=1&b=2#c', '/welcome?a=1&b=2#c'],
    ['https://app.example.org/x', 'https://app.example.org/x'],
    ['https://evil.example/', '/'],
    ['//evil.example', '/'],
    ['/\\evil.example', '/'],
    ['/.//evil.example', '/evil.example'],
    ['/\t/evil.example', '/'],
    ['/x\r\nset-cookie: session=evil', '/'],
    ['javascript:alert(1)', '/'],
    ['https://auth.example.org@evil.example/', '/'],
  ] as const) {
    const visitor = app.browser()
    const back = await visitor.signIn('oidc', person, next)
    t.equal(back.status, 303)
    t.equal(back.location, location, JSON.stringify(next))
    visitors[0] = visitor
    const query = next === undefined ? '' : `?next=${encodeURIComponent(next)}`
    const again = await visitor.home.get(`/auth/oidc${query}`)
    t.match(
      again,
      { status: 303, location, setCookies: [] },
      'a signed-in user is redirected at once',
    )
  }
  for (const letter of ['x', '\u00e9', '\u{1f600}', '"', '\\']) {
    for (const length of [900, 1_999, 5_000]) {
      const next = encodeURIComponent(`/${letter.repeat(length)}`)
      const { status, headers } = await app.browser().home.get(`/auth/oidc?next=${next}`)
      t.ok([303, 400, 414, 431].includes(status), `${status}`)
      const [line = ''] = headers.getSetCookie()
      t.ok(
        line.length < 4_096,
        `${length} times ${letter}: the cookie is short enough for browsers`,
      )
    }
  }
})

t.test('a provider login does not enable a disabled account', async (t) => {
  const { browser, userOf, sql, counts } = main
  for (const [provider, person] of [
    ['oidc', openidPerson()],
    ['github', githubPerson()],
  ] as const) {
    const visitor = browser()
    await visitor.signIn(provider, person)
    const { id } = await userOf(visitor.cookie('session'))
    await sql('update users set disabled_at = now() where id = $1', [id])
    const { sessions } = (await counts())!
    const again = await browser().signIn(provider, person)
    t.same(refusal(again), refused(401, 'invalid_credentials'))
    t.match(await counts(), { sessions })
  }
})

for (const ACTIVATION of ['off', 'required']) {
  t.test(`ACTIVATION=${ACTIVATION} decides if a login needs a verified address`, async (t) => {
    const sink = await smtpSink(t)
    const app = await socialApp(t, { env: { ...env, ACTIVATION, MAIL_URL: sink.url } })
    for (const email_verified of [true, false, undefined]) {
      const person = { ...openidPerson(), ...{ email_verified } }
      const visitor = app.browser()
      const back = await visitor.signIn('oidc', person)
      const enters = email_verified === true || ACTIVATION === 'off'
      if (enters) t.equal(back.status, 303, `${email_verified}`)
      else t.same(refusal(back), refused(403, 'activation_required'), `${email_verified}`)
      const [user] = await app.sql<{ id: string }>('select id from users where email = $1', [
        person.email,
      ])
      const id = user?.id ?? ''
      const standing = await app.standingOf(id)
      t.match(standing, { email_verified: email_verified === true, activated: enters })
      if (enters) continue

      t.same(
        refusal(await app.browser().signIn('oidc', person)),
        refused(403, 'activation_required'),
      )
      const { token } = await sink.next(person.email)
      t.equal((await app.call('POST', '/api/activate', { token })).status, 200)
      t.equal((await visitor.signIn('oidc', person)).status, 303)
      t.equal((await app.userOf(visitor.cookie('session'))).id, id)
    }
  })
}

t.test('a login without a usable address creates no account', async (t) => {
  const { browser, counts } = main
  const before = await counts()
  const { email } = openidPerson()
  const unproven = { email, primary: true, verified: false }
  const second = { email, primary: false, verified: true }
  for (const [provider, person] of [
    ['oidc', { sub: 'no address' }],
    ['oidc', { sub: 'empty address', email: '', email_verified: true }],
    ['oidc', { sub: 'no such address', email: 'nobody', email_verified: true }],
    ['github', { ...githubPerson(), emails: [] }],
    ['github', { ...githubPerson(), emails: [unproven] }],
    ['github', { ...githubPerson(), emails: [second] }],
    ['github', { ...githubPerson(), emails: [unproven, second] }],
    ['github', { ...githubPerson(), email, emails: [unproven] }],
  ] as const) {
    const back = await browser().signIn(provider, person)
    t.same(refusal(back), refused(403, 'email_required'), JSON.stringify(person))
  }
  t.same(await counts(), before)
})

t.test('a GitHub user without a name gets the login name', async (t) => {
  const { browser, userOf } = main
  const person = { ...githubPerson(), name: null }
  const visitor = browser()
  await visitor.signIn('github', person)
  t.equal((await userOf(visitor.cookie('session'))).name, person.login)
})

t.test('a login cancelled at the provider returns to the login form', async (t) => {
  const { browser } = main
  for (const provider of ['oidc', 'github']) {
    const visitor = browser()
    const callback = await visitor.arrive(provider, { error: 'access_denied' })
    const page = await visitor.comeBack(callback, { html: true })
    t.equal(page.status, 303)
    t.match(page.location, /^\/login(\?|$)/)
    t.same(page.setCookies.sort(), ['__Host-flash', '__Host-social'])
    t.match((await visitor.home.get(page.location!)).html, /role="status"|class="flash"|cancel/i)
    const other = browser()
    const json = await other.comeBack(await other.arrive(provider, { error: 'access_denied' }))
    t.same(refusal(json), refused(401, 'provider_refused'))
  }
})

t.test('a client without a secret uses only PKCE', async (t) => {
  const { OIDC_ISSUER, OIDC_NAME } = openid.env
  const app = await socialApp(t, { env: { OIDC_ISSUER, OIDC_NAME, OIDC_CLIENT_ID: 'public' } })
  t.equal((await app.browser().signIn('oidc', openidPerson())).status, 303)
})

t.test('over plain HTTP the cookie has no __Host- prefix', async (t) => {
  const url = 'http://localhost:3000'
  const plain = await openidProvider(t, url)
  const app = await socialApp(t, { env: { ...plain.env, PUBLIC_URL: url } })
  const visitor = app.browser()
  const { headers } = await visitor.home.get('/auth/oidc')
  t.match(headers.getSetCookie(), [/^social=[\w-]+; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/])
  t.equal((await visitor.signIn('oidc', openidPerson())).status, 303)
})

t.test('only configured providers have buttons and routes', async (t) => {
  const some = await socialApp(t, { env: openid.env })
  const none = await socialApp(t)
  for (const [page, query] of [
    ['/login?next=%2Fwelcome', '?next=%2Fwelcome'],
    ['/register', ''],
  ] as const) {
    const buttonsOf = async ({ browser }: SocialApp) => {
      const { html } = await browser().home.get(page)
      const links = html.matchAll(/href="(\/auth\/[^"]+)">([^<]+)</g)
      return Object.fromEntries([...links].map(([, path, words]) => [path, words]))
    }
    const oidc = { [`/auth/oidc${query}`]: 'Continue with Example ID' }
    const both = { ...oidc, [`/auth/github${query}`]: 'Continue with GitHub' }
    t.same(await buttonsOf(main), both, page)
    t.same(await buttonsOf(some), oidc, page)
    t.same(await buttonsOf(none), {}, page)
  }
  for (const name of [
    'github',
    'google',
    'gitlab',
    'constructor',
    '__proto__',
    '%6Fidc%00',
    'OIDC',
  ]) {
    for (const path of [`/auth/${name}`, `/auth/${name}/callback?code=x&state=x`]) {
      const { status } = await some.browser().home.get(path)
      t.ok([400, 404].includes(status), `${path}: ${status}`)
    }
  }
  const json = await fetch(`${some.origin}/auth/github`, { redirect: 'manual' })
  t.equal(json.status, 404)
  t.match(await json.json(), { status: 'error', code: 'not_found' })
})

t.test('the API and the welcome page list the connected providers', async (t) => {
  const { browser, call, origin } = main
  const person = openidPerson()
  const visitor = browser()
  await visitor.signIn('oidc', person)
  const token = visitor.cookie('session')
  const { status, body } = await call('GET', '/api/user/identities', undefined, token)
  t.equal(status, 200)
  t.match(body, { status: 'success', identities: [{ provider: 'oidc', email: person.email }] })
  t.same(Object.keys(body.identities[0]).sort(), ['created_at', 'email', 'provider'])
  t.equal((await fetch(`${origin}/api/user/identities`)).status, 401)
  const bare = await call('DELETE', '/api/user/identities/github', undefined, token)
  t.match(bare, { status: 404 }, 'a DELETE needs no body')
  const welcome = (await visitor.home.get('/welcome')).html
  t.match(welcome, 'action="/auth/oidc/disconnect"')
  t.match(welcome, 'action="/auth/github/connect"')
})

function openidPerson() {
  people += 1
  const name = `Ada ${String(people)}`
  return { sub: `ada|${people}`, email: `ada-${people}@example.org`, email_verified: true, name }
}

function githubPerson(): GithubPerson & { emails: [GithubPerson['emails'][0]] } {
  people += 1
  const email = { email: `grace-${people}@example.org`, primary: true, verified: true }
  return { id: 1_000_000 + people, login: `grace${people}`, name: 'grace hopper', emails: [email] }
}
