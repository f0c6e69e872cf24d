import { createRemoteJWKSet, customFetch as joseFetch, jwtVerify } from 'jose'
import * as oauth from 'openid-client'
import t, { type Test } from 'tap'
import { bearer, listeningApp, signUp } from '../../support/app.js'
import { addClient, type ClientCredentials } from '../../support/oauth.js'

const publicUrl = 'https://auth.example.org'

/** The service under its public URL, as behind a proxy. */
async function published(t: Test, env: Record<string, string> = {}) {
  const service = await listeningApp(t, { env: { PUBLIC_URL: publicUrl, ...env } })
  const throughProxy = (url: string, options: object) =>
    fetch(url.replace(publicUrl, service.origin), options)
  const discover = (id: string, authentication: oauth.ClientAuth) =>
    oauth.discovery(new URL(publicUrl), id, undefined, authentication, {
      algorithm: 'oauth2',
      [oauth.customFetch]: throughProxy,
    })
  return { ...service, throughProxy, discover }
}

type Published = Awaited<ReturnType<typeof published>>

async function verify({ throughProxy }: Published, config: oauth.Configuration, token: string) {
  const { issuer, jwks_uri = '' } = config.serverMetadata()
  const keys = createRemoteJWKSet(new URL(jwks_uri), { [joseFetch]: throughProxy })
  return jwtVerify(token, keys, { issuer, audience: 'gatehouse', typ: 'at+jwt' })
}

t.test('the metadata lists the endpoints (RFC 8414)', async (t) => {
  const { origin } = await published(t, { DEVICE_LOGIN: 'off' })
  const answer = await fetch(`${origin}/.well-known/oauth-authorization-server`)
  t.equal(answer.headers.get('cache-control'), 'public, max-age=300')
  t.equal(answer.headers.get('content-type'), 'application/json; charset=utf-8')
  t.strictSame(await answer.json(), {
    issuer: publicUrl,
    authorization_endpoint: `${publicUrl}/oauth/authorize`,
    token_endpoint: `${publicUrl}/oauth/token`,
    introspection_endpoint: `${publicUrl}/oauth/introspect`,
    revocation_endpoint: `${publicUrl}/oauth/revoke`,
    jwks_uri: `${publicUrl}/.well-known/jwks.json`,
    grant_types_supported: [
      'authorization_code',
      'client_credentials',
      'refresh_token',
      'urn:ietf:params:oauth:grant-type:token-exchange',
    ],
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
    prompt_values_supported: ['none', 'login'],
    acr_values_supported: ['mfa'],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'none'],
    introspection_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
    revocation_endpoint_auth_methods_supported: [
      'client_secret_basic',
      'client_secret_post',
      'none',
    ],
  })
})

t.test('the issuer in the metadata is JWT_ISSUER, also if PUBLIC_URL differs', async (t) => {
  const env = { PUBLIC_URL: publicUrl, JWT_ISSUER: 'https://issuer.example.org/one' }
  const { app } = await listeningApp(t, { env })
  const answer = await app.inject('/.well-known/oauth-authorization-server')
  t.match(answer.json(), {
    issuer: 'https://issuer.example.org/one',
    token_endpoint: `${publicUrl}/oauth/token`,
  })
})

/** Returns the error of a rejected promise. */
const failureOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => undefined,
    (error: unknown) => error,
  )

const methods = {
  client_secret_basic: oauth.ClientSecretBasic,
  client_secret_post: oauth.ClientSecretPost,
}

for (const [name, method] of Object.entries(methods)) {
  t.test(`openid-client and jose work with ${name}`, async (t) => {
    const service = await published(t)
    const { app, discover } = service
    const { client_id, client_secret } = await addClient(service, 'reports.v1_a-b', ['admin'])
    const config = await discover(client_id, method(client_secret))

    const own = await oauth.clientCredentialsGrant(config)
    t.match(own, { token_type: 'bearer', expires_in: 900 })
    t.equal(own.refresh_token, undefined)
    const { payload } = await verify(service, config, own.access_token)
    t.match(payload, { client_id, roles: ['admin'], sub: /^[0-9a-f-]{36}$/ })
    const users = await app.inject({ url: '/api/users', headers: bearer(own.access_token) })
    t.equal(users.statusCode, 200)

    const login = await signUp(app)
    const pair = await oauth.refreshTokenGrant(config, login.refresh_token)
    const verified = await verify(service, config, pair.access_token)
    t.match(verified.payload, { sub: login.user.id, client_id: 'gatehouse' })

    const said = await oauth.tokenIntrospection(config, pair.access_token)
    t.match(said, { active: true, username: login.user.id, sub: login.user.id, exp: Number })
    const hint = { token_type_hint: 'refresh_token' }
    const refresh_token = pair.refresh_token ?? ''
    t.strictSame(
      { ...(await oauth.tokenIntrospection(config, refresh_token, hint)) },
      { active: false },
    )

    await oauth.tokenRevocation(config, pair.access_token)
    t.strictSame(await oauth.tokenIntrospection(config, pair.access_token), { active: false })
    await oauth.tokenRevocation(config, refresh_token, hint)
    t.strictSame(await oauth.tokenIntrospection(config, refresh_token), { active: false })
    t.match(await failureOf(oauth.refreshTokenGrant(config, refresh_token)), {
      error: 'invalid_grant',
    })
    t.match(await failureOf(oauth.clientCredentialsGrant(config, { scope: 'all' })), {
      error: 'invalid_scope',
    })
    t.match(await failureOf(oauth.genericGrantRequest(config, 'urn:example:other', {})), {
      error: 'unsupported_grant_type',
    })
  })
}

t.test('openid-client works as the public client gatehouse, without a secret', async (t) => {
  const service = await published(t)
  const config = await service.discover('gatehouse', oauth.None())
  const login = await signUp(service.app)
  const pair = await oauth.refreshTokenGrant(config, login.refresh_token)
  t.match((await verify(service, config, pair.access_token)).payload, { sub: login.user.id })
  await oauth.tokenRevocation(config, pair.refresh_token ?? '')
  t.match(await failureOf(oauth.refreshTokenGrant(config, pair.refresh_token ?? '')), {
    error: 'invalid_grant',
  })
  t.match(await failureOf(oauth.tokenIntrospection(config, pair.access_token)), { status: 401 })
})

t.test(
  'openid-client with a wrong secret gets a 401 with a challenge (RFC 6749 §5.2)',
  async (t) => {
    const service = await published(t)
    const { client_id }: ClientCredentials = await addClient(service)
    for (const method of Object.values(methods)) {
      const config = await service.discover(client_id, method('another secret: ü+/%&='))
      const challenge = { cause: [{ scheme: 'basic', parameters: { realm: 'gatehouse' } }] }
      t.match(await failureOf(oauth.clientCredentialsGrant(config)), challenge)
      t.match(await failureOf(oauth.tokenIntrospection(config, 'x')), challenge)
      t.match(await failureOf(oauth.tokenRevocation(config, 'x')), challenge)
    }
  },
)
