import t from 'tap'
import { bearer, testApp, type TestApp } from '../../support/app.js'
import { createKey, exchangeKey, exchangeForm } from '../../support/api-keys.js'
import { createAdmin, createClient } from '../../support/http/client.js'
import { addClient, claimsOf, post } from '../../support/oauth.js'
import { newApiKey } from '../../../src/features/api-keys/secret.js'

const statusOf = async ({ app }: Pick<TestApp, 'app'>, token: string, url = '/api/user') =>
  (await app.inject({ url, headers: bearer(token) })).statusCode

t.test('a key is exchanged for an access token, which ends with the key', async (t) => {
  const service = await testApp(t)
  const owner = await createClient(service)
  const { key, api_key } = await createKey(service, owner.login.access_token, { roles: ['user'] })
  const answer = await post(service.app, 'token', exchangeForm(key))
  t.match(answer.json(), {
    token_type: 'Bearer',
    issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    expires_in: 900,
  })
  t.notOk('refresh_token' in answer.json<object>())
  const token = await exchangeKey(service.app, key)
  t.match(claimsOf(token), { sub: owner.id, sid: api_key.id, api_key: api_key.id, roles: ['user'] })
  t.notOk('auth_time' in claimsOf(token), 'nobody logged in')
  t.equal(await statusOf(service, token), 200)
  t.equal(await statusOf(service, token, '/api/user/api-keys'), 403)
  t.equal(await statusOf(service, token, '/api/sessions'), 403)
  await owner.send('DELETE', `/api/user/api-keys/${api_key.id}`)
  t.equal(await statusOf(service, token), 401)
})

t.test('a token for a key is stale when its owner loses a role', async (t) => {
  const service = await testApp(t)
  const chief = await createAdmin(service, 'chief')
  const admin = await createAdmin(service)
  const { key } = await createKey(service, admin.login.access_token, { roles: ['admin'] })
  const token = await exchangeKey(service.app, key)
  t.equal(await statusOf(service, token, '/api/users'), 200)
  await chief.send('DELETE', `/api/users/${admin.id}/roles/admin`)
  t.equal(await statusOf(service, token, '/api/users'), 401)
  t.same(claimsOf(await exchangeKey(service.app, key)).roles, [])
})

t.test('what is no valid key is not exchanged', async (t) => {
  const service = await testApp(t)
  const owner = await createClient(service)
  const { key } = await createKey(service, owner.login.access_token)
  const token = await exchangeKey(service.app, key)
  const form = exchangeForm(key)
  const { subject_token, ...without } = form
  t.equal(subject_token, key)
  const cases: [name: string, form: Record<string, string>][] = [
    ['an unknown key', exchangeForm(newApiKey())],
    ['an access token', exchangeForm(owner.login.access_token)],
    ['a token for a key', exchangeForm(token)],
    ['a refresh token', exchangeForm(owner.login.refresh_token)],
    ['no token', without],
    ['another type', { ...form, subject_token_type: 'urn:ietf:params:oauth:token-type:jwt' }],
    ['a refresh token wanted', { ...form, requested_token_type: 'urn:x' }],
    ['an audience', { ...form, audience: 'shop' }],
    ['an actor', { ...form, actor_token: token }],
  ]
  for (const [name, body] of cases) {
    const answer = await post(service.app, 'token', body)
    t.equal(answer.statusCode, 400, `${name}: ${answer.body}`)
    t.match(answer.json(), { error: 'invalid_request' }, name)
  }
  const scoped = await post(service.app, 'token', { ...form, scope: 'all' })
  t.match(scoped.json(), { error: 'invalid_scope' })
})

t.test('introspection knows a key while it may be used', async (t) => {
  const service = await testApp(t)
  const client = await addClient(service)
  const owner = await createClient(service)
  const { key, api_key } = await createKey(service, owner.login.access_token, { roles: ['user'] })
  const ask = async () =>
    (await post(service.app, 'introspect', { token: key }, client)).json<object>()
  t.match(await ask(), {
    ...{ active: true, token_type: 'Bearer', client_id: 'gatehouse', sub: owner.id },
    ...{ roles: ['user'], sid: api_key.id },
    exp: Math.floor(Date.parse(api_key.expires_at) / 1_000),
  })
  const unknown = await post(service.app, 'introspect', { token: newApiKey() }, client)
  t.same(unknown.json(), { active: false })
  await owner.send('DELETE', `/api/user/api-keys/${api_key.id}`)
  t.same(await ask(), { active: false })
})

t.test('whoever holds a key may revoke it', async (t) => {
  const service = await testApp(t)
  const owner = await createClient(service)
  const { key } = await createKey(service, owner.login.access_token)
  const token = await exchangeKey(service.app, key)
  for (let at = 0; at < 2; at += 1)
    t.equal((await post(service.app, 'revoke', { token: key })).statusCode, 200)
  t.equal(await statusOf(service, key), 401)
  t.equal(await statusOf(service, token), 401)
  const [entry] = await service.sql(
    `select actor_id, user_id from audit_log where event = 'api_key.revoked'`,
  )
  t.same(entry, { actor_id: owner.id, user_id: owner.id })
})
