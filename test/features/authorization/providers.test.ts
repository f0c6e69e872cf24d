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
