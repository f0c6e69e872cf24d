import t from 'tap'
import { publicUrl, refusal, refused, socialApp } from '../../support/social/app.js'
import { forgerClient, startForger, type Forgery } from '../../support/social/forger.js'
import { githubServer } from '../../support/social/github.js'

const issuer = 'https://accounts.google.com'
const elsewhere = 'https://oauth2.googleapis.com'

// A local server replaces Google's hosts, which these tests do not reach.
const google = await startForger(t, publicUrl, {
  discovery: {
    issuer,
    authorization_endpoint: `${issuer}/o/oauth2/v2/auth`,
    token_endpoint: `${elsewhere}/token`,
    userinfo_endpoint: `${elsewhere}/userinfo`,
    jwks_uri: `${elsewhere}/jwks`,
    authorization_response_iss_parameter_supported: undefined,
  },
})
const { fetch } = globalThis
globalThis.fetch = (input, init) => {
  const url = input instanceof Request ? input.url : String(input)
  return fetch(url.replace(issuer, google.issuer).replace(elsewhere, google.issuer), init)
}
t.teardown(() => (globalThis.fetch = fetch))

const github = await githubServer(t, publicUrl)
const app = await socialApp(t, {
  env: {
    GOOGLE_CLIENT_ID: forgerClient.id,
    GOOGLE_CLIENT_SECRET: forgerClient.secret,
    ...github.env,
  },
})

/** Answers like Google: no `iss` in the callback, and the claims in the ID token. */
const asGoogle = (claims: object = {}): Forgery => ({
  claims: { iss: issuer, email: 'ada@example.org', email_verified: true, name: 'Ada', ...claims },
  callback: { iss: undefined },
})

t.test('a user logs in with Google', async (t) => {
  const visitor = app.browser()
  const page = await visitor.leave('google', '/welcome')
  t.equal(page.origin + page.pathname, `${issuer}/o/oauth2/v2/auth`)
  t.match(Object.fromEntries(page.searchParams), {
    client_id: forgerClient.id,
    redirect_uri: `${publicUrl}/auth/google/callback`,
    scope: 'openid email profile',
    code_challenge_method: 'S256',
  })
  const back = await visitor.comeBack(atGoogle(page, asGoogle()))
  t.match(back, { status: 303, location: '/welcome' })
  const token = visitor.cookie('session')
  t.match(await app.userOf(token), { email: 'ada@example.org', name: 'Ada', active: true })
  t.same(await app.identitiesOf(token), ['google'])
  t.match(await app.sql('select issuer from identities'), [{ issuer }])
  t.notOk(
    google.paths.includes('/userinfo'),
    'the ID token has all claims, so userinfo is not requested',
  )
})

t.test('ID tokens of another issuer or for another client are refused', async (t) => {
  const before = await app.counts()
  for (const claims of [
    { iss: google.issuer },
    { iss: 'accounts.google.com' },
    { iss: 'https://accounts.google.com.evil.example' },
    { iss: 'https://appleid.apple.com' },
    { aud: 'another client' },
    { azp: 'another client', aud: [forgerClient.id, 'another client'] },
  ]) {
    const visitor = app.browser()
    const callback = atGoogle(await visitor.leave('google'), asGoogle(claims))
    const back = await visitor.comeBack(callback)
    t.same(refusal(back), refused(401, 'provider_refused'), JSON.stringify(claims))
  }
  t.same(await app.counts(), before)
})

t.test('the login and registration pages have a button for Google', async (t) => {
  for (const page of ['/login', '/register']) {
    const { html } = await app.browser().home.get(page)
    t.match(html, '<a class="button other" href="/auth/google">Continue with Google</a>', page)
    t.match(html, '<a class="button other" href="/auth/github">Continue with GitHub</a>', page)
  }
})

function atGoogle(page: URL, forgery: Forgery): URL {
  return new URL(google.back(page, forgery).callback.href.replace('/oidc/', '/google/'))
}
