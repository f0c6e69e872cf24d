import t from 'tap'
import { ada, bearer, logIn, signUp, testApp, type TestApp } from '../../support/app.js'
import { askForKey, createKey, exchangeKey } from '../../support/api-keys.js'
import { createAdmin, createClient } from '../../support/http/client.js'
import { sentStatements } from '../../support/sent-statements.js'
import { until } from '../../support/until.js'

const withKey = ({ app }: Pick<TestApp, 'app'>, key: string, url = '/api/user') =>
  app.inject({ url, headers: bearer(key) })

const codeOf = (answer: { json: () => unknown }) => (answer.json() as { code?: string }).code

t.test('a key is shown once, and its list tells what it is for', async (t) => {
  const service = await testApp(t)
  const { access_token, user } = await signUp(service.app)
  const { key, api_key } = await createKey(service, access_token, { roles: ['user'] })
  t.match(key, /^gatehouse_[0-9A-Za-z]{38}$/)
  t.match(api_key, { name: 'backup', roles: ['user'], last_used_at: null })
  const days = (Date.parse(api_key.expires_at) - Date.parse(api_key.created_at)) / 86_400_000
  t.equal(Math.round(days), 90)
  const answer = await withKey(service, key)
  t.match(answer.json(), { user: { id: user.id } })
  const list = await service.app.inject({
    url: '/api/user/api-keys',
    headers: bearer(access_token),
  })
  t.match(list.json(), { api_keys: [{ id: api_key.id, last_used_at: /Z$/ }] })
  t.notMatch(list.body, key)
  const [row] = await service.sql<{ stored: string }>(
    `select to_jsonb(k)::text as stored from api_keys k`,
  )
  t.notMatch(row?.stored, key.slice(10))
})

t.test('after its first use a key costs no query', async (t) => {
  const service = await testApp(t)
  const { access_token } = await signUp(service.app)
  const { key } = await createKey(service, access_token, { roles: ['user'] })
  t.equal((await withKey(service, key, '/forward-auth/role/user')).statusCode, 200)
  const sent = sentStatements(t)
  for (let at = 0; at < 100; at += 1) {
    const answer = await withKey(service, key, '/forward-auth/role/user')
    t.equal(answer.statusCode, 200)
  }
  t.notOk(sent.some(({ text }) => text.includes('api_keys')))
})

t.test('a key has the roles that it was given and that its owner has now', async (t) => {
  const service = await testApp(t)
  const { app, sql } = service
  const chief = await createAdmin(service, 'chief')
  const admin = await createAdmin(service)
  const { key } = await createKey(service, admin.login.access_token, { roles: ['admin'] })
  const { key: small } = await createKey(service, admin.login.access_token, { roles: ['user'] })
  const { key: none } = await createKey(service, admin.login.access_token)
  t.equal((await withKey(service, key, '/api/users')).statusCode, 200)
  t.equal(codeOf(await withKey(service, small, '/api/users')), 'forbidden')
  t.equal(codeOf(await withKey(service, none, '/api/users')), 'forbidden')
  t.equal((await withKey(service, none)).statusCode, 200)
  t.equal((await withKey(service, key, '/forward-auth/role/user')).statusCode, 403)

  await chief.send('DELETE', `/api/users/${admin.id}/roles/admin`)
  t.equal(codeOf(await withKey(service, key, '/api/users')), 'forbidden', 'the owner lost the role')
  t.equal((await withKey(service, key)).statusCode, 200, 'and may do the rest')
  await chief.send('POST', `/api/users/${admin.id}/roles/admin`)
  t.equal((await withKey(service, key, '/api/users')).statusCode, 200, 'and got it back')

  await sql(`insert into roles values ('editor')`)
  const { login } = await createClient(service)
  const refused = await askForKey({ app }, login.access_token, { roles: ['editor'] })
  t.match(refused.json(), { code: 'validation_failed', errors: [{ field: 'roles' }] })
})

t.test('a revoked key is refused at once, and so is one of a disabled owner', async (t) => {
  const service = await testApp(t)
  const chief = await createAdmin(service)
  const owner = await createClient(service)
  const { key, api_key } = await createKey(service, owner.login.access_token)
  const { key: second } = await createKey(service, owner.login.access_token)
  t.equal((await withKey(service, key)).statusCode, 200)
  const stranger = await createClient(service)
  const path = `/api/user/api-keys/${api_key.id}`
  t.equal((await stranger.send('DELETE', path)).code, 'not_found', 'of another user')
  t.equal((await owner.send('DELETE', path)).status, 200)
  t.equal(codeOf(await withKey(service, key)), 'invalid_token')
  t.equal((await owner.send('DELETE', path)).code, 'not_found')

  t.equal((await withKey(service, second)).statusCode, 200)
  await chief.send('POST', `/api/users/${owner.id}/disable`)
  t.equal(codeOf(await withKey(service, second)), 'invalid_token')
  await chief.send('POST', `/api/users/${owner.id}/enable`)
  const third = await createClient(service)
  const { key: last } = await createKey(service, third.login.access_token)
  t.equal((await withKey(service, last)).statusCode, 200)
  await chief.send('DELETE', `/api/users/${third.id}`)
  t.equal(codeOf(await withKey(service, last)), 'invalid_token', 'of a deleted owner')
  const events = await service.sql('select event from audit_log where event like $1 order by id', [
    'api_key.%',
  ])
  t.same(events, [
    { event: 'api_key.created' },
    { event: 'api_key.created' },
    { event: 'api_key.revoked' },
    { event: 'api_key.created' },
  ])
})

t.test('a key that is deleted by SQL is refused a moment later', async (t) => {
  const service = await testApp(t)
  const { access_token } = await signUp(service.app)
  const { key } = await createKey(service, access_token)
  t.equal((await withKey(service, key)).statusCode, 200)
  await service.sql('delete from api_keys')
  await until(async () => (await withKey(service, key)).statusCode === 401, 'the key is refused')
})

t.test('an expired key is refused', async (t) => {
  let at = new Date()
  const service = await testApp(t, { now: () => at })
  const { access_token } = await signUp(service.app)
  const { key } = await createKey(service, access_token, { expires_in_days: 1 })
  t.equal((await withKey(service, key)).statusCode, 200)
  await service.sql(`update api_keys set expires_at = now() + interval '5 seconds'`)
  at = new Date(at.getTime() + 901_000)
  t.equal((await withKey(service, key)).statusCode, 401, 'read again after 15 minutes')
})

t.test(
  'whoever gets the account by its address, or by an administrator, ends the keys',
  async (t) => {
    const service = await testApp(t)
    const chief = await createAdmin(service)
    const owner = await createClient(service)
    const { key } = await createKey(service, owner.login.access_token)
    t.equal((await withKey(service, key)).statusCode, 200)
    await chief.send('POST', `/api/users/${owner.id}/password/reset`)
    t.equal(codeOf(await withKey(service, key)), 'invalid_token')
    t.same(await service.sql('select from api_keys'), [])
  },
)

t.test('the end of all sessions leaves keys alone', async (t) => {
  const service = await testApp(t)
  const owner = await createClient(service)
  const { key } = await createKey(service, owner.login.access_token)
  await owner.send('DELETE', '/api/sessions')
  t.equal((await withKey(service, key)).statusCode, 200)
})

t.test('a key needs a fresh login or the password, and a user has fifty at most', async (t) => {
  const service = await testApp(t)
  const { app, sql } = service
  const { access_token, user } = await signUp(app)
  await sql(`update sessions set created_at = now() - interval '10 minutes'`)
  const late = await askForKey(service, access_token)
  t.equal(codeOf(late), 'reauthentication_required')
  const wrong = await askForKey(service, access_token, { password: 'another horse battery' })
  t.equal(codeOf(wrong), 'invalid_credentials')
  await createKey(service, access_token, { password: ada.password })
  await sql(
    `insert into api_keys (id, user_id, name, secret_hash, expires_at)
     select gen_random_uuid(), $1, 'k', sha256(n::text::bytea), now() + interval '1 day'
     from generate_series(2, 50) n`,
    [user.id],
  )
  const full = await askForKey(service, access_token, { password: ada.password })
  t.equal(codeOf(full), 'api_key_limit')
  for (const expires_in_days of [0, 366, 1.5, '10']) {
    const answer = await askForKey(service, access_token, { expires_in_days })
    t.equal(codeOf(answer), 'validation_failed', String(expires_in_days))
  }
})

t.test('a key changes the own profile, but no address, and no other key', async (t) => {
  const service = await testApp(t)
  const { access_token } = await signUp(service.app)
  const { key } = await createKey(service, access_token)
  const patch = (payload: object) =>
    service.app.inject({ method: 'PATCH', url: '/api/user', headers: bearer(key), payload })
  const changed = await patch({ name: 'Ada' })
  t.match(changed.json(), { user: { name: 'Ada' } })
  for (const payload of [
    { email: 'eve@example.org' },
    { mobile: '+441632960961' },
    { username: 'eve' },
    { username: null },
    { name: 'Eve', email: 'eve@example.org', password: ada.password },
  ]) {
    t.equal(codeOf(await patch(payload)), 'forbidden', JSON.stringify(payload))
  }
  t.equal(codeOf(await askForKey(service, key)), 'forbidden')
  t.equal(codeOf(await withKey(service, key, '/api/user/api-keys')), 'forbidden')
})

t.test('a key of an administrator grants no role, to anybody and in no way', async (t) => {
  const service = await testApp(t)
  const { app } = service
  const admin = await createAdmin(service)
  const other = await createClient(service)
  const { key } = await createKey(service, admin.login.access_token, { roles: ['admin'] })
  const send = (token: string, url: string, payload: object = {}) =>
    app.inject({ method: 'POST', url, headers: bearer(token), payload })
  const tries: [url: string, body: object][] = [
    [`/api/users/${other.id}/roles/admin`, {}],
    ['/api/users', { email: 'eve@example.org', roles: ['admin'] }],
    ['/api/users', { email: 'eve@example.org', roles: [] }],
    ['/api/invitations', { email: 'eve@example.org', roles: ['admin'] }],
  ]
  for (const token of [key, await exchangeKey(app, key)])
    for (const [url, body] of tries) t.equal(codeOf(await send(token, url, body)), 'forbidden', url)
  const [{ count } = { count: -1 }] = await service.sql<{ count: number }>(
    `select count(*)::integer as count from user_roles where role = 'admin'`,
  )
  t.equal(count, 1)
  t.equal((await send(key, '/api/users', { email: 'eve@example.org' })).statusCode, 201)
})

t.test('a key counts in the Authorization header alone', async (t) => {
  const service = await testApp(t)
  const { access_token } = await signUp(service.app)
  const { key } = await createKey(service, access_token)
  const answer = await service.app.inject({
    url: '/api/user',
    headers: { cookie: `session=${key}` },
  })
  t.equal(codeOf(answer), 'invalid_token')
  const refresh = await service.app.inject({
    method: 'POST',
    url: '/api/refresh',
    payload: { refresh_token: key },
  })
  t.equal(codeOf(refresh), 'invalid_token')
})

t.test('the owner is told of a new key, and once a week before its end', async (t) => {
  const service = await testApp(t)
  const { sql } = service
  const { access_token } = await signUp(service.app)
  const { api_key } = await createKey(service, access_token)
  await createKey(service, access_token, { expires_in_days: 3 })
  const messages = () =>
    sql<{ message: string }>(`select message from outbox where message like 'api%'`)
  t.same(await messages(), [{ message: 'api_key_created' }, { message: 'api_key_created' }])
  const { createServices } = await import('../../../src/services/services.js')
  const { pino } = await import('pino')
  const { keysSecret } = await import('../../support/app.js')
  const { apiKeys } = await createServices(service.config, {
    ...{ db: service.db, listenUrl: '', keysSecret, log: pino({ level: 'silent' }) },
  })
  t.equal(await apiKeys.warnOwners(), 0)
  await sql(
    `update api_keys set expires_at = expires_at - interval '84 days', warn_at = warn_at - interval '84 days'
     where id = $1`,
    [api_key.id],
  )
  t.equal(await apiKeys.warnOwners(), 1)
  t.equal(await apiKeys.warnOwners(), 0, 'once')
  t.equal((await messages()).filter(({ message }) => message === 'api_key_expires').length, 1)
  await logIn(service.app)
})
