import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { ada, bearer, isRefused, logIn, signUp, testApp, type TestApp } from '../../support/app.js'
import { addClient, claimsOf, isActive, post, tokenOf, whileLocked } from '../../support/oauth.js'
import { until } from '../../support/until.js'

type App = TestApp['app']

const isAccepted = async (app: App, token: string) =>
  (await app.inject({ url: '/api/user', headers: bearer(token) })).statusCode === 200

const refresh = (app: App, refresh_token: string) =>
  app.inject({ method: 'POST', url: '/api/refresh', payload: { refresh_token } })

const entries = ({ sql }: TestApp, event: string) =>
  sql('select actor_id, user_id, detail from audit_log where event = $1', [event])

t.test('revoking an access token does not end its session', async (t) => {
  const service = await testApp(t)
  const { app } = service
  const { access_token, refresh_token, user } = await signUp(app)
  t.ok(await isAccepted(app, access_token))
  const answer = await post(app, 'revoke', { token: access_token })
  t.match(answer, { statusCode: 200, body: '' })
  t.match(answer.headers, { 'content-length': '0', 'cache-control': 'no-store' })
  t.notOk(await isAccepted(app, access_token))
  const next = await refresh(app, refresh_token)
  t.equal(next.statusCode, 200)
  t.ok(await isAccepted(app, next.json<{ access_token: string }>().access_token))

  t.equal(
    (await post(app, 'revoke', { token: access_token })).statusCode,
    200,
    'a second revocation',
  )
  const { jti } = claimsOf(access_token)
  t.strictSame(
    await entries(service, 'token.revoked'),
    [{ actor_id: user.id, user_id: user.id, detail: { token: jti } }],
    'the audit log has one entry',
  )
})

t.test('revoking a refresh token ends only its session, with its access tokens', async (t) => {
  const service = await testApp(t)
  const { app, sql } = service
  const one = await signUp(app)
  const other = await logIn(app)
  t.match(await post(app, 'revoke', { token: one.refresh_token }), { statusCode: 200, body: '' })
  t.notOk(await isAccepted(app, one.access_token))
  t.equal((await refresh(app, one.refresh_token)).statusCode, 401)
  t.ok(await isAccepted(app, other.access_token))
  t.equal((await refresh(app, other.refresh_token)).statusCode, 200)
  t.equal((await sql('select from sessions')).length, 1)
  await post(app, 'revoke', { token: one.refresh_token })
  const { id } = one.user
  t.strictSame(await entries(service, 'session.ended'), [
    { actor_id: id, user_id: id, detail: { ended: 1 } },
  ])
})

t.test('revoking a spent refresh token ends its session', async (t) => {
  const { app } = await testApp(t)
  const { refresh_token } = await signUp(app)
  const next = (await refresh(app, refresh_token)).json<{ access_token: string }>()
  t.equal((await post(app, 'revoke', { token: refresh_token })).statusCode, 200)
  t.notOk(await isAccepted(app, next.access_token))
})

t.test('a wrong token_type_hint does not prevent a revocation', async (t) => {
  const { app } = await testApp(t)
  let users = 0
  for (const token_type_hint of ['access_token', 'refresh_token', 'id_token', '😀']) {
    const { access_token, refresh_token } = await signUp(app, {
      ...ada,
      email: `user-${(users += 1)}@example.org`,
    })
    await post(app, 'revoke', { token: access_token, token_type_hint })
    t.notOk(await isAccepted(app, access_token), token_type_hint)
    await post(app, 'revoke', { token: refresh_token, token_type_hint })
    t.equal((await refresh(app, refresh_token)).statusCode, 401, token_type_hint)
  }
})

t.test('a token that Gatehouse did not issue counts as revoked', async (t) => {
  const service = await testApp(t)
  const { app, sql } = service
  const login = await signUp(app)
  const deleted = await signUp(app, { ...ada, email: 'deleted@example.org' })
  await sql('delete from users where id = $1', [deleted.user.id])
  // A service that has not heard of the deletion yet denies the token as well.
  await until(() => isRefused(app, deleted.access_token), 'the deletion to be heard of')
  const [head = '', body = ''] = login.access_token.split('.')
  const nothing = {
    garbage: 'garbage',
    'a token without its signature': `${head}.${body}.`,
    'a token with another signature': `${head}.${body}.${'A'.repeat(86)}`,
    'an access token of a deleted user': deleted.access_token,
    'a refresh token of a deleted user': deleted.refresh_token,
    '9 KB': 'a'.repeat(9_000),
  }
  for (const [name, token] of Object.entries(nothing)) {
    t.match(await post(app, 'revoke', { token }), { statusCode: 200, body: '' }, name)
  }
  t.strictSame(await sql('select id from token_denylist'), [{ id: deleted.user.id }])
  t.ok(await isAccepted(app, login.access_token))
})

t.test('an expired token counts as revoked', async (t) => {
  let now = new Date()
  const { app, sql } = await testApp(t, { now: () => now })
  const { access_token } = await signUp(app)
  now = new Date(now.getTime() + 901_000)
  t.match(await post(app, 'revoke', { token: access_token }), { statusCode: 200, body: '' })
  t.strictSame(await sql('select from token_denylist'), [])
})

t.test('a client may revoke with its credentials, but wrong credentials are refused', async (t) => {
  const service = await testApp(t)
  const { app, sql } = service
  const client = await addClient(service)
  const { access_token, user } = await signUp(app)
  const wrong = { ...client, client_secret: 'wrong' }
  const refused = await post(app, 'revoke', { token: access_token }, wrong)
  t.equal(refused.statusCode, 401)
  t.match(refused.json(), { error: 'invalid_client' })
  t.ok(await isAccepted(app, access_token), 'the token is still valid')
  const byId = { token: access_token, client_id: 'reports' }
  t.equal((await post(app, 'revoke', byId)).statusCode, 401, 'the secret is required')
  t.ok(await isAccepted(app, access_token))

  t.equal((await post(app, 'revoke', { token: access_token }, client)).statusCode, 200)
  t.notOk(await isAccepted(app, access_token))
  const [row] = await sql<{ id: string }>('select id from clients')
  t.match(await entries(service, 'token.revoked'), [{ actor_id: row?.id, user_id: user.id }])
})

t.test('a request may have the client_id gatehouse', async (t) => {
  const { app } = await testApp(t)
  const { access_token } = await signUp(app)
  const form = { token: access_token, client_id: 'gatehouse' }
  t.equal((await post(app, 'revoke', form)).statusCode, 200)
  t.notOk(await isAccepted(app, access_token))
})

t.test('revoking a client token does not revoke other tokens of the client', async (t) => {
  const service = await testApp(t)
  const { app } = service
  const client = await addClient(service)
  const [one, other] = [await tokenOf(app, client), await tokenOf(app, client)]
  t.ok(await isActive(app, client, one))
  await post(app, 'revoke', { token: one }, client)
  t.notOk(await isActive(app, client, one))
  t.ok(await isActive(app, client, other))
  t.match(await entries(service, 'token.revoked'), [{ user_id: null }])
})

t.test('a revocation that cannot be stored gets 503', async (t) => {
  const service = await testApp(t)
  const { app, url } = service
  const client = await addClient(service)
  const { access_token, refresh_token } = await signUp(app)
  const tries: [table: string, token: string][] = [
    ['token_denylist', access_token],
    ['audit_log', access_token],
    ['sessions', refresh_token],
    ['audit_log', refresh_token],
  ]
  for (const [table, token] of tries) {
    const answer = await whileLocked(url, table, () => post(app, 'revoke', { token }))
    t.equal(answer.statusCode, 503, table)
    t.match(answer.headers['retry-after'], /^\d+$/, table)
    t.match(answer.json(), { error: 'temporarily_unavailable' }, table)
    t.ok(await isActive(app, client, access_token), `${table}: the token is still active`)
  }
})

t.test('a revocation whose commit fails gets 503', async (t) => {
  const service = await testApp(t)
  const { app, sql } = service
  const { access_token, refresh_token } = await signUp(app)
  await sql(`create function full_disk() returns trigger language plpgsql as
    $$ begin raise exception 'no space' using errcode = 'disk_full'; end $$`)
  await sql(`create constraint trigger at_commit after insert on token_denylist
    deferrable initially deferred for each row execute function full_disk()`)
  for (const token of [access_token, refresh_token]) {
    const answer = await post(app, 'revoke', { token })
    t.equal(answer.statusCode, 503)
    t.match(answer.headers['retry-after'], /^\d+$/)
    t.ok(await isAccepted(app, access_token))
  }
  await sql('drop trigger at_commit on token_denylist')
  t.equal((await post(app, 'revoke', { token: refresh_token })).statusCode, 200)
  t.notOk(await isAccepted(app, access_token))
})

t.test('concurrent revocations of one token are stored once', async (t) => {
  const service = await testApp(t)
  const { app, sql } = service
  const { access_token, refresh_token } = await signUp(app)
  for (const token of [access_token, refresh_token]) {
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => post(app, 'revoke', { token })),
    )
    t.same(new Set(answers.map(({ statusCode }) => statusCode)), new Set([200]))
  }
  t.equal((await sql('select from token_denylist')).length, 2)
  t.equal((await entries(service, 'session.ended')).length, 1)
})

t.test('a revoked token is refused at once, and soon on other instances', async (t) => {
  const { app, url } = await testApp(t)
  const { app: other } = await testApp(t, { url })
  for (let nth = 0; nth < 20; nth += 1) {
    const login = await signUp(app, { ...ada, email: `user-${nth}@example.org` })
    const token = nth % 2 === 0 ? login.access_token : login.refresh_token
    t.equal((await post(app, 'revoke', { token })).statusCode, 200)
    t.notOk(await isAccepted(app, login.access_token))
    const end = Date.now() + 5_000
    while ((await isAccepted(other, login.access_token)) && Date.now() < end) await sleep(10)
    t.notOk(await isAccepted(other, login.access_token))
  }
})
