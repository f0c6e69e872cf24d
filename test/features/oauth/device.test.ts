import * as oauth from 'oauth4webapi'
import t, { type Test } from 'tap'
import { ada, isRefused, listeningApp, testApp } from '../../support/app.js'
import { actorOn, deviceLoginsOf, passForCodes } from '../../support/device-logins.js'
import { addApp, addClient, claimsOf, post } from '../../support/oauth.js'

const grant_type = 'urn:ietf:params:oauth:grant-type:device_code'

async function start(t: Test) {
  const service = await testApp(t)
  const logins = await deviceLoginsOf(service)
  const actor = await actorOn(service)
  await addApp(service, 'tv', { redirect_uris: [], is_public: true, allows_device: true })
  /** The user approves in the browser. */
  const approve = async (user_code: string) =>
    logins.approve(actor, (await logins.find(actor, user_code)).confirmation)
  const begin = (form: Record<string, string>) => post(service.app, 'device_authorization', form)
  const poll = (form: Record<string, string>) => post(service.app, 'token', { grant_type, ...form })
  return { ...service, actor, approve, begin, poll }
}

t.test('with DEVICE_LOGIN=off nothing of it is there', async (t) => {
  const { app } = await testApp(t, { env: { DEVICE_LOGIN: 'off' } })
  for (const url of ['/device', '/device?user_code=WDJB-MJHT', '/oauth/nothing']) {
    t.equal((await app.inject({ url })).statusCode, 404, url)
  }
  const form = { client_id: 'gatehouse' }
  const there = await post(app, 'device_authorization', form)
  const nowhere = await post(app, 'nothing' as 'token', form)
  t.match([there.statusCode, there.body], [404, nowhere.body])
  for (const path of ['', '/approve', '/deny']) {
    const answer = await app.inject({ method: 'POST', url: `/device${path}` })
    t.equal(answer.statusCode, 404)
  }
  const answer = await post(app, 'token', { grant_type, client_id: 'gatehouse', device_code: 'x' })
  t.match([answer.statusCode, answer.json()], [400, { error: 'unsupported_grant_type' }])
  const metadata = (await app.inject('/.well-known/oauth-authorization-server')).body
  t.notMatch(metadata, /device/)
  t.notMatch((await app.inject('/openapi.json')).body, /"\/(oauth\/)?device/)
})

t.test('a device gets its tokens, with what RFC 8628 says to it meanwhile', async (t) => {
  const service = await start(t)
  const { app, actor, approve, begin, poll } = service
  for (const client_id of ['gatehouse', 'tv']) {
    const begun = await begin({ client_id })
    t.equal(begun.statusCode, 200)
    t.match(begun.headers, { 'cache-control': 'no-store', pragma: 'no-cache' })
    const { device_code, user_code, ...rest } = begun.json<Record<string, string>>()
    t.strictSame(rest, {
      verification_uri: 'http://localhost:3000/device',
      verification_uri_complete: `http://localhost:3000/device?user_code=${user_code}`,
      expires_in: 600,
      interval: 5,
    })
    const form = { client_id, device_code: device_code ?? '' }
    const errors = ['authorization_pending', 'slow_down']
    for (const error of errors) {
      const answer = await poll(form)
      t.match([answer.statusCode, answer.json()], [400, { error, error_description: String }])
    }
    await approve(user_code ?? '')
    const answer = await poll(form)
    t.equal(answer.statusCode, 200, answer.body)
    t.match(answer.headers, { 'cache-control': 'no-store' })
    t.notOk(answer.headers['set-cookie'])
    const tokens = answer.json<Record<string, string>>()
    t.match(claimsOf(tokens.access_token ?? ''), { sub: actor.user_id, client_id })
    t.notOk(await isRefused(app, tokens.access_token ?? ''))
    const refresh = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token ?? '' }
    t.equal((await post(app, 'token', { ...refresh, client_id })).statusCode, 200)
    t.match((await poll(form)).json(), { error: 'invalid_grant' }, 'once')
  }
  const late = (await begin({ client_id: 'tv' })).json<{ device_code: string }>()
  await passForCodes(service, 601)
  const answer = await poll({ client_id: 'tv', device_code: late.device_code })
  t.match([answer.statusCode, answer.json()], [400, { error: 'expired_token' }])
})

t.test('a request that is not as it must be gets no codes and no tokens', async (t) => {
  const service = await start(t)
  const { app, begin, poll, sql } = service
  const requests: [form: Record<string, string>, status: number, error: string][] = [
    [{}, 400, 'invalid_request'],
    [{ client_id: 'nobody' }, 401, 'invalid_client'],
    [{ client_id: 'tv', client_secret: 'x' }, 401, 'invalid_client'],
    [{ client_id: 'tv', scope: 'openid' }, 400, 'invalid_scope'],
    [{ client_id: 'tv', resource: 'https://api.example.org' }, 400, 'invalid_request'],
    [{ client_id: 'spa' }, 400, 'unauthorized_client'],
  ]
  await addApp(service, 'spa', { is_public: true })
  for (const [form, status, error] of requests) {
    const answer = await begin(form)
    t.match([answer.statusCode, answer.json()], [status, { error }], JSON.stringify(form))
  }
  const secret = await post(app, 'device_authorization', {}, await addClient(service))
  t.match(secret.json(), { error: 'unauthorized_client' })
  t.strictSame(await sql('select from device_codes'), [])
  const asked: typeof requests = [
    [{ device_code: 'x' }, 400, 'invalid_request'],
    [{ client_id: 'tv' }, 400, 'invalid_request'],
    [{ client_id: 'tv', device_code: 'x' }, 400, 'invalid_grant'],
    [{ client_id: 'spa', device_code: 'x' }, 400, 'unauthorized_client'],
    [{ client_id: 'tv', device_code: 'x', scope: 'openid' }, 400, 'invalid_scope'],
  ]
  for (const [form, status, error] of asked) {
    const answer = await poll(form)
    t.match([answer.statusCode, answer.json()], [status, { error }], JSON.stringify(form))
  }
})

t.test('a client that is removed takes its codes along', async (t) => {
  const { app, begin, sql } = await start(t)
  await begin({ client_id: 'tv' })
  await sql(`delete from clients where name = 'tv'`)
  t.strictSame(await sql('select from device_codes'), [])
  t.equal((await app.inject('/health/live')).statusCode, 200)
})

t.test('oauth4webapi runs the flow', async (t) => {
  const publicUrl = 'https://auth.example.org'
  const service = await listeningApp(t, { env: { PUBLIC_URL: publicUrl } })
  const logins = await deviceLoginsOf(service)
  const actor = await actorOn(service, ada)
  await addApp(service, 'tv', { redirect_uris: [], is_public: true, allows_device: true })
  const throughProxy = (url: string, options: object) =>
    fetch(url.replace(publicUrl, service.origin), options)
  const options = { [oauth.customFetch]: throughProxy as typeof fetch }
  const issuer = new URL(publicUrl)
  const discovered = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...options })
  const server = await oauth.processDiscoveryResponse(issuer, discovered)
  t.ok(server.grant_types_supported?.includes(grant_type))
  const client: oauth.Client = { client_id: 'tv' }
  const way = oauth.None()
  const begun = await oauth.deviceAuthorizationRequest(server, client, way, {}, options)
  const codes = await oauth.processDeviceAuthorizationResponse(server, client, begun)
  const ask = async () => {
    const { device_code } = codes
    const answer = await oauth.deviceCodeGrantRequest(server, client, way, device_code, options)
    return oauth.processDeviceCodeResponse(server, client, answer)
  }
  const errorOf = (error: string) => ({ error }) as object as Error
  await t.rejects(ask(), errorOf('authorization_pending'))
  await t.rejects(ask(), errorOf('slow_down'))
  await logins.approve(actor, (await logins.find(actor, codes.user_code)).confirmation)
  const tokens = await ask()
  t.match(claimsOf(tokens.access_token), { sub: actor.user_id, client_id: 'tv' })
  const request = oauth.refreshTokenGrantRequest
  const refreshed = await request(server, client, way, tokens.refresh_token ?? '', options)
  t.match(await oauth.processRefreshTokenResponse(server, client, refreshed), {
    refresh_token: String,
  })
  await t.rejects(ask(), errorOf('invalid_grant'))
})
