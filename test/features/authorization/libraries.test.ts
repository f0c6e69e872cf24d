import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import t, { type Test } from 'tap'
import { ada, isRefused, listeningApp, signUp } from '../../support/app.js'
import { addApp, claimsOf } from '../../support/oauth.js'

const publicUrl = 'https://auth.example.org'
const redirect_uri = 'https://shop.example.org/callback'

/** The service under its public URL, as behind a proxy, and the browser of a user who has logged in. */
async function published(t: Test, { is_public = false } = {}) {
  const service = await listeningApp(t, { env: { PUBLIC_URL: publicUrl } })
  const client = await addApp(service, 'shop', { redirect_uris: [redirect_uri], is_public })
  const { access_token, user } = await signUp(service.app, ada)
  const throughProxy = (url: string, options: object) =>
    fetch(url.replace(publicUrl, service.origin), options)
  /** Where the browser arrives at the app. */
  const browse = async (url: URL): Promise<URL> => {
    const { headers } = await service.app.inject({
      url: url.pathname + url.search,
      headers: { cookie: `__Host-session=${access_token}` },
    })
    return new URL(headers.location ?? '', publicUrl)
  }
  return { ...service, ...client, user, throughProxy, browse }
}

const invalid = { code: 'OAUTH_INVALID_RESPONSE' }

/** Returns the error of a rejected promise. */
const failureOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => undefined,
    (error: unknown) => error,
  )

for (const is_public of [false, true]) {
  const kind = is_public ? 'a public client' : 'a client with a secret'

  t.test(`openid-client runs the flow as ${kind}`, async (t) => {
    const { app, client_id, client_secret, user, throughProxy, browse } = await published(t, {
      is_public,
    })
    const way =
      client_secret === undefined ? openid.None() : openid.ClientSecretBasic(client_secret)
    const config = await openid.discovery(new URL(publicUrl), client_id, undefined, way, {
      algorithm: 'oauth2',
      [openid.customFetch]: throughProxy,
    })
    const pkceCodeVerifier = openid.randomPKCECodeVerifier()
    const expectedState = openid.randomState()
    const url = openid.buildAuthorizationUrl(config, {
      redirect_uri,
      code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
      state: expectedState,
      max_age: '3600',
    })
    const back = await browse(url)
    const checks = { pkceCodeVerifier, expectedState }
    const tokens = await openid.authorizationCodeGrant(config, back, checks)
    t.match(tokens, { token_type: 'bearer', expires_in: 900 })
    t.match(claimsOf(tokens.access_token), { sub: user.id, client_id })
    const next = await openid.refreshTokenGrant(config, tokens.refresh_token ?? '')
    t.notOk(await isRefused(app, next.access_token))
    await openid.tokenRevocation(config, next.refresh_token ?? '')
    t.ok(await isRefused(app, next.access_token))
    const again = await failureOf(openid.authorizationCodeGrant(config, back, checks))
    t.match(again, { error: 'invalid_grant' })

    const mixedUp = new URL(back)
    mixedUp.searchParams.set('iss', 'https://evil.example')
    t.match(await failureOf(openid.authorizationCodeGrant(config, mixedUp, checks)), invalid)
    mixedUp.searchParams.delete('iss')
    t.match(await failureOf(openid.authorizationCodeGrant(config, mixedUp, checks)), invalid)
    const otherState = { ...checks, expectedState: openid.randomState() }
    t.match(await failureOf(openid.authorizationCodeGrant(config, back, otherState)), invalid)
    url.searchParams.set('prompt', 'none')
    url.searchParams.set('code_challenge_method', 'plain')
    const refused = openid.authorizationCodeGrant(config, await browse(url), checks)
    t.match(await failureOf(refused), { error: 'invalid_request' })
  })

  t.test(`oauth4webapi runs the flow as ${kind}`, async (t) => {
    const { client_id, client_secret, user, throughProxy, browse } = await published(t, {
      is_public,
    })
    const options = { [oauth.customFetch]: throughProxy as typeof fetch }
    const issuer = new URL(publicUrl)
    const discovered = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...options })
    const server = await oauth.processDiscoveryResponse(issuer, discovered)
    const client: oauth.Client = { client_id }
    const way = client_secret === undefined ? oauth.None() : oauth.ClientSecretPost(client_secret)
    const verifier = oauth.generateRandomCodeVerifier()
    const state = oauth.generateRandomState()
    const url = new URL(server.authorization_endpoint ?? '')
    url.search = new URLSearchParams({
      ...{ response_type: 'code', client_id, redirect_uri, state, code_challenge_method: 'S256' },
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    }).toString()
    const back = await browse(url)
    const parameters = oauth.validateAuthResponse(server, client, back, state)
    const answer = await oauth.authorizationCodeGrantRequest(
      server,
      client,
      way,
      parameters,
      redirect_uri,
      verifier,
      options,
    )
    const tokens = await oauth.processAuthorizationCodeResponse(server, client, answer)
    t.match(claimsOf(tokens.access_token), { sub: user.id, client_id })
    const request = oauth.refreshTokenGrantRequest
    const refreshed = await request(server, client, way, tokens.refresh_token ?? '', options)
    t.match(await oauth.processRefreshTokenResponse(server, client, refreshed), {
      refresh_token: String,
    })
    back.searchParams.set('iss', 'https://evil.example')
    t.throws(() => oauth.validateAuthResponse(server, client, back, state), /iss/)
  })
}
