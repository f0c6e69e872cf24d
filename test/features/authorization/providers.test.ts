import t from 'tap'
import { authorizing, newVerifier } from '../../support/authorization.js'
import { addApp, claimsOf } from '../../support/oauth.js'
import { publicUrl, socialApp } from '../../support/social/app.js'
import { openidProvider } from '../../support/social/openid-provider.js'

const openid = await openidProvider(t, publicUrl)
const person = { sub: 'ada', email: 'ada@example.org', email_verified: true, name: 'Ada' }

t.test('a login by a provider leads back to the app', async (t) => {
  const service = await socialApp(t, { env: openid.env })
  const redirect_uri = 'https://shop.example.org/callback'
  const shop = { ...(await addApp(service, 'shop')), redirect_uri }
  const { requestOf, exchange } = authorizing(service)
  const verifier = newVerifier()
  const request = { ...requestOf(shop, verifier), max_age: '0' }
  const visitor = service.browser()
  const asked = await visitor.home.get(
    `/oauth/authorize?${new URLSearchParams(request as Record<string, string>)}`,
  )
  const page = await visitor.home.get(asked.location ?? '')
  const link = /href="(\/auth\/oidc\?[^"]*)"/.exec(page.html)?.[1]?.replaceAll('&amp;', '&') ?? ''
  const next = new URLSearchParams(link.split('?')[1]).get('next') ?? ''
  t.match(next, /^\/oauth\/authorize\?/)

  const back = await visitor.signIn('oidc', person, next)
  t.equal(back.location, next)
  const { location } = await visitor.home.get(next)
  const code = new URL(location ?? '').searchParams.get('code') ?? ''
  const { access_token } = (await exchange(shop, code, verifier)).json<{ access_token: string }>()
  const claims = claimsOf(access_token)
  t.match(claims, { client_id: 'shop', email: person.email, auth_time: Number })
  t.notOk('amr' in claims, 'RFC 8176 has no value for a login by a provider')
})

t.test('a login by a provider that fails leads back to the app all the same', async (t) => {
  const service = await socialApp(t, { env: openid.env })
  const { home } = service.browser()
  const next = '/oauth/authorize?client_id=shop&x=1'
  for (const [query, status] of [
    ['error=access_denied', 303],
    ['error=server_error', 401],
    ['code=x', 401],
  ] as const) {
    const sent = await home.get(`/auth/oidc?next=${encodeURIComponent(next)}`)
    const state = new URL(sent.location ?? '').searchParams.get('state') ?? ''
    const back = await home.get(`/auth/oidc/callback?${query}&state=${state}&iss=${openid.issuer}`)
    t.equal(back.status, status, query)
    const login = `/login?next=${encodeURIComponent(next)}`
    if (status === 303) t.equal(back.location, login, query)
    else t.match(back.html, `href="${login}"`, query)
  }
})

t.test('a login again asks at the provider too', async (t) => {
  const service = await socialApp(t, {
    env: {
      ...openid.env,
      GITHUB_CLIENT_ID: 'x',
      GITHUB_CLIENT_SECRET: 'x'.repeat(32),
    },
  })
  const { home } = service.browser()
  for (const [path, prompt] of [
    ['/auth/oidc?next=%2Fwelcome', null],
    ['/auth/oidc?next=%2Fwelcome&prompt=login', 'login'],
    ['/auth/github?prompt=login', 'select_account'],
    ['/auth/github', null],
  ] as const) {
    const { location } = await home.get(path)
    t.equal(new URL(location ?? '').searchParams.get('prompt'), prompt, path)
  }
})
