import type { Algorithm } from '@gatehouse/verify/protocol'
import t from 'tap'
import { generateKey } from '../../../src/features/tokens/key-pair.js'
import { ada, bearer, isRefused, logIn, signUp, testApp, verifyEmails } from '../../support/app.js'
import { confused, relabelled, unsigned } from '../../support/forgeries/algorithms.js'
import { claims } from '../../support/forgeries/claims.js'
import { encodings } from '../../support/forgeries/encodings.js'
import { headerMembers, kids, tokenTypes } from '../../support/forgeries/headers.js'
import { genuine, type Kit } from '../../support/forgeries/kit.js'
import { revoked } from '../../support/forgeries/lifecycle.js'
import { refreshTokens } from '../../support/forgeries/refresh.js'
import { listenWithKeys } from '../../support/forgeries/service.js'
import { shapes } from '../../support/forgeries/shapes.js'
import { signatures } from '../../support/forgeries/signatures.js'
import {
  addClient,
  basic,
  claimsOf,
  isActive,
  isForm,
  post,
  removeClient,
  tokenOf,
  whileLocked,
} from '../../support/oauth.js'
import { until } from '../../support/until.js'

t.test('introspection of an active access token returns its claims and the username', async (t) => {
  const service = await testApp(t)
  const { app } = service
  const client = await addClient(service)
  await signUp(app)
  await verifyEmails(service)
  const { access_token, user } = await logIn(app)
  const answer = await post(app, 'introspect', { token: access_token }, client)
  t.equal(answer.statusCode, 200)
  const { epoch, gen, email, email_verified, ...said } = claimsOf(access_token)
  t.strictSame([epoch, gen, email, email_verified], [0, 0, ada.email, true])
  t.strictSame(answer.json(), {
    active: true,
    token_type: 'Bearer',
    username: ada.email,
    ...said,
  })
  t.match(said, { sub: user.id, client_id: 'gatehouse', roles: ['user'] })
  t.match(answer.headers, {
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store',
  })
})

t.test('an unverified address is never the username', async (t) => {
  const service = await testApp(t)
  const client = await addClient(service)
  const account = { email: 'ada@example.org', mobile: '+441632960960', password: ada.password }
  const { access_token, user } = await signUp(service.app, account)
  const nameOf = async (token: string) =>
    (await post(service.app, 'introspect', { token }, client)).json<{ username: string }>().username
  t.equal(await nameOf(access_token), user.id)
  await service.sql('update users set mobile_verified_at = now()')
  t.equal(await nameOf(access_token), account.mobile)
  await verifyEmails(service)
  t.equal(await nameOf(access_token), account.email)
})

t.test('the username is preferred to the addresses', async (t) => {
  const service = await testApp(t)
  const client = await addClient(service)
  const account = { username: 'Ada', email: 'ada@example.org', password: ada.password }
  const { access_token } = await signUp(service.app, account)
  const answer = await post(service.app, 'introspect', { token: access_token }, client)
  t.match(answer.json(), { username: 'Ada' })
})

t.test('a refresh token is never active, with any token_type_hint', async (t) => {
  const service = await testApp(t)
  const client = await addClient(service)
  const { refresh_token } = await signUp(service.app)
  for (const hint of ['refresh_token', 'access_token', 'nonsense', undefined]) {
    const form = { token: refresh_token, ...(hint !== undefined && { token_type_hint: hint }) }
    const answer = await post(service.app, 'introspect', form, client)
    t.equal(answer.statusCode, 200)
    t.equal(answer.body, '{"active":false}')
  }
})

t.test('introspection of a client token returns no username', async (t) => {
  const service = await testApp(t)
  const client = await addClient(service, 'reports', ['user'])
  const token = await tokenOf(service.app, client)
  const answer = await post(service.app, 'introspect', { token }, client)
  const { epoch, gen, ...said } = claimsOf(token)
  t.strictSame([epoch, gen], [0, 0])
  t.strictSame(answer.json(), { active: true, token_type: 'Bearer', ...said })
})

t.test('introspection needs an authenticated client', async (t) => {
  const service = await testApp(t)
  const { app } = service
  const client = await addClient(service)
  const { access_token } = await signUp(app)
  const ownToken = await tokenOf(app, client)
  const token = new URLSearchParams({ token: access_token }).toString()
  const wrong: [name: string, headers: object, form: string][] = [
    ['no credentials', {}, token],
    ['the public client gatehouse', {}, `${token}&client_id=gatehouse`],
    ['a client without its secret', {}, `${token}&client_id=reports`],
    ['a client with a wrong secret', basic({ ...client, client_secret: 'x' }), token],
    ['an access token', bearer(access_token), token],
    ['a client’s access token', bearer(ownToken), token],
  ]
  for (const [name, headers, payload] of wrong) {
    const answer = await app.inject({
      method: 'POST',
      url: '/oauth/introspect',
      headers: { ...isForm, ...headers },
      payload,
    })
    t.equal(answer.statusCode, 401, name)
    t.strictSame(
      answer.json(),
      { error: 'invalid_client', error_description: 'Client authentication failed' },
      name,
    )
    t.match(answer.headers['www-authenticate'], /^Basic realm="gatehouse"/, name)
  }
})

const algorithms: Algorithm[] = ['ES256', 'EdDSA', 'RS256', 'HS256']
const tables = [
  refreshTokens,
  ...[unsigned, relabelled, confused, kids, headerMembers, tokenTypes, signatures, shapes],
  ...[encodings, claims],
]

t.test('forged, expired and revoked tokens all get the same inactive answer', async (t) => {
  const pairs = await Promise.all(algorithms.map(generateKey))
  const keys = Object.fromEntries(pairs.map((pair) => [pair.algorithm, pair])) as Kit['keys']
  const stranger = await generateKey('ES256')
  const service = await listenWithKeys(t, 'ES256', { keys, stranger })
  const { app, kit } = service
  const client = await addClient(service)
  const { now } = kit
  const spent = (await signUp(app, { ...ada, email: 'spent@example.org' })).refresh_token
  await app.inject({ method: 'POST', url: '/api/refresh', payload: { refresh_token: spent } })
  const gone = await addClient(service, 'gone')
  const ofGone = await tokenOf(app, gone)
  await removeClient(service, 'gone')

  const forged = [...tables.flatMap((table) => table(kit)), ...(await revoked(service, kit))]
    .filter(
      ([name, sent]) =>
        typeof sent === 'string' && sent !== kit.good && !isOtherwise.includes(name),
    )
    .map(([name, sent]) => [name, sent as string] as const)
  const more: (readonly [string, string])[] = [
    ['a text that is not a token', 'x'],
    ['three dots', '...'],
    ['a space', ' '],
    ['9 KB', `${'a'.repeat(3_000)}.${'a'.repeat(3_000)}.${'a'.repeat(3_000)}`],
    ['a spent refresh token', spent],
    ['a token of a removed client', ofGone],
    ['an expired token', genuine(kit)({ payload: { ...kit.claims, iat: now - 100, exp: now } })],
    ['two valid tokens', `${kit.good} ${kit.good}`],
    ['a valid token after a scheme', `Bearer ${kit.good}`],
  ]
  const good = await post(app, 'introspect', { token: kit.good }, client)
  t.match(good.json(), { active: true }, 'the valid token is active')

  const heads = new Set<string>()
  // The endpoint requires a token that is not empty.
  const cases = [...forged, ...more].filter(([, token]) => token !== '')
  for (const [name, token] of cases) {
    const answer = await post(app, 'introspect', { token }, client)
    const headers = { ...answer.headers, date: '', 'x-request-id': '' }
    if (answer.statusCode === 400) {
      t.match(token, /\0|\ufffd|[\ud800-\udfff]/, `${name}: only invalid text gets 400`)
      continue
    }
    t.equal(answer.statusCode, 200, name)
    t.equal(answer.body, '{"active":false}', name)
    heads.add(JSON.stringify(headers))
  }
  t.ok(cases.length > 500, `${cases.length} cases`)
  t.equal(heads.size, 1, 'the headers are equal too')
})

// Cases that do not fit into a request body.
const isOtherwise = ['more than 16 KB']

t.test('twenty kinds of invalid tokens get the same answer', async (t) => {
  const service = await testApp(t)
  const { app, sql } = service
  const client = await addClient(service)
  const someone = (name: string) => signUp(app, { ...ada, email: `${name}@example.org` })
  const left = await signUp(app)
  const { user } = left
  const second = await logIn(app)
  const denied = await someone('denied')
  const disabled = await someone('disabled')
  const deleted = await someone('deleted')
  const stale = await someone('stale')
  const dormant = await someone('dormant')
  const rotated = await someone('rotated')
  const expired = await someone('expired')
  await app.inject({ method: 'POST', url: '/api/logout', headers: bearer(left.access_token) })
  await post(app, 'revoke', { token: denied.access_token })
  await sql('update users set disabled_at = now() where id = $1', [disabled.user.id])
  await sql('delete from users where id = $1', [deleted.user.id])
  await sql('update users set epoch = epoch + 1 where id = $1', [stale.user.id])
  await sql('update users set activated_at = null where id = $1', [dormant.user.id])
  const { refresh_token } = rotated
  await app.inject({ method: 'POST', url: '/api/refresh', payload: { refresh_token } })
  await sql('update sessions set expires_at = now() where user_id = $1', [expired.user.id])
  const other = await addClient(service, 'other')
  const ofOther = await tokenOf(app, other)
  await removeClient(service, 'other')
  for (const token of [stale.access_token, ofOther]) {
    await until(() => isRefused(app, token), 'the revocation to reach the instance')
  }
  const [head = '', body = '', signature = ''] = second.access_token.split('.')

  const over = {
    'an access token after the logout': left.access_token,
    'a refresh token after the logout': left.refresh_token,
    'a revoked access token': denied.access_token,
    'an access token of a disabled user': disabled.access_token,
    'a refresh token of a disabled user': disabled.refresh_token,
    'an access token of a deleted user': deleted.access_token,
    'a refresh token of a deleted user': deleted.refresh_token,
    'an access token of an earlier epoch': stale.access_token,
    'a refresh token of a user who is not activated': dormant.refresh_token,
    'a spent refresh token': rotated.refresh_token,
    'a refresh token of an expired session': expired.refresh_token,
    'a token of a removed client': ofOther,
    'a token without its signature': `${head}.${body}.`,
    'a token with another signature': `${head}.${body}.${signature.slice(0, -8)}AAAAAAAA`,
    'a token in lower case': second.access_token.toLowerCase(),
    'a token in upper case': second.access_token.toUpperCase(),
    'the header of a token': head,
    'a user’s id': user.id,
    'a client’s secret': client.client_secret,
    'a text that is not a token': 'something else',
  }
  t.equal(Object.keys(over).length, 20)
  for (const [name, token] of Object.entries(over)) {
    const answer = await post(app, 'introspect', { token }, client)
    t.equal(answer.statusCode, 200, name)
    t.equal(answer.body, '{"active":false}', name)
  }
  const alive = await post(app, 'introspect', { token: second.access_token }, client)
  t.match(alive.json(), { active: true })
})

t.test('introspection answers 503 while the database is unavailable', async (t) => {
  const service = await testApp(t)
  const { app } = service
  const client = await addClient(service)
  const { access_token } = await signUp(app)
  const tries = { clients: access_token, users: access_token }
  for (const [table, token] of Object.entries(tries)) {
    const answer = await whileLocked(service.url, table, () =>
      post(app, 'introspect', { token }, client),
    )
    t.equal(answer.statusCode, 503, table)
    t.match(answer.headers['retry-after'], /^\d+$/, table)
    t.match(answer.json(), { error: 'temporarily_unavailable' }, table)
    t.ok(await isActive(app, client, token), table)
  }
})
