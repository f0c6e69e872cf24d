import t from 'tap'
import { testApp } from './support/app.js'
import { errors } from '../src/errors.js'
import { createKey, exchangeKey } from './support/api-keys.js'
import {
  clientOf,
  createAdmin,
  createClient,
  refreshed,
  type Client,
} from './support/http/client.js'
import {
  ask,
  bodies,
  createVictim,
  isAnsweredBy,
  stateOf,
  withSlash,
  type Outcome,
} from './support/http/matrix.js'
import { collectRoutes, nameOf, type Route } from './support/http/route-table.js'

type Row = [nobody: Outcome, another: Outcome, admin: Outcome]

/**
 * What becomes of a request about a victim: without a token, by another user, by an administrator.
 * A new route fails until it has its row here.
 */
const outcomes: Record<string, Row> = {
  'GET /health/live': [200, 200, 200],
  'GET /health/ready': [200, 200, 200],
  'GET /.well-known/jwks.json': [200, 200, 200],
  'GET /.well-known/change-password': [302, 302, 302],
  'GET /favicon.ico': [200, 200, 200],
  'GET /.well-known/revocations': [200, 200, 200],
  'GET /.well-known/webauthn': [200, 200, 200],
  'GET /.well-known/oauth-authorization-server': [200, 200, 200],
  'GET /oauth/authorize': ['validation_failed', 'validation_failed', 'validation_failed'],
  // A user's token is no client authentication.
  'POST /oauth/token': [400, 401, 401],
  'POST /oauth/device_authorization': [200, 401, 401],
  'POST /oauth/introspect': [401, 401, 401],
  'POST /oauth/revoke': [200, 401, 401],
  'GET /openapi.json': [200, 200, 200],
  'GET /docs': [200, 200, 200],
  'GET /metrics': [200, 200, 200],
  'POST /api/register': ['email_taken', 'email_taken', 'email_taken'],
  'POST /api/activate': ['invalid_code', 'invalid_code', 'invalid_code'],
  'POST /api/activate/resend': [202, 202, 202],
  'POST /api/login': ['invalid_credentials', 'invalid_credentials', 'invalid_credentials'],
  'POST /api/login/verify': ['invalid_state', 'invalid_state', 'invalid_state'],
  'POST /api/login/enrol': ['invalid_state', 'invalid_state', 'invalid_state'],
  'POST /api/login/passkey/options': [200, 200, 200],
  'POST /api/login/passkey': ['invalid_passkey', 'invalid_passkey', 'invalid_passkey'],
  'POST /api/refresh': ['invalid_token', 'invalid_token', 'invalid_token'],
  'POST /api/password/forgot': [202, 202, 202],
  'POST /api/password/reset': ['invalid_code', 'invalid_code', 'invalid_code'],
  'POST /api/user/confirm': ['invalid_code', 'invalid_code', 'invalid_code'],
  'GET /activate': [200, 200, 200],
  'POST /activate': [400, 400, 400],
  'GET /reset': [200, 200, 200],
  'POST /reset': [400, 400, 400],
  'GET /confirm': [200, 200, 200],
  'POST /confirm': [400, 400, 400],
  'GET /not-me': [200, 200, 200],
  'POST /not-me': [400, 400, 400],
  'GET /': ['invalid_token', 200, 200],
  'GET /login': [200, 303, 303],
  'POST /login': [401, 401, 401],
  'POST /login/verify': [303, 303, 303],
  'POST /login/enrol': [303, 303, 303],
  'POST /login/passkey': [400, 400, 400],
  'GET /passkeys.js': [200, 200, 200],
  'GET /second-factor': [303, 200, 200],
  'POST /second-factor/begin': [401, 200, 200],
  'POST /second-factor/confirm': [401, 400, 400],
  'POST /second-factor/codes': [401, 404, 404],
  'POST /second-factor/remove': [401, 404, 404],
  'POST /second-factor/devices/:id/forget': [401, 404, 404],
  // Only a cookie says whose browser it is.
  'GET /device': [303, 303, 303],
  'POST /device': [401, 401, 401],
  'POST /device/approve': [401, 401, 401],
  'POST /device/deny': [401, 401, 401],
  'GET /register': [200, 200, 200],
  'POST /register': [409, 409, 409],
  'GET /activate/code': [200, 200, 200],
  'POST /activate/code': [400, 400, 400],
  'GET /reset/code': [200, 200, 200],
  'POST /reset/code': [400, 400, 400],
  'GET /confirm/code': [200, 200, 200],
  'POST /confirm/code': [400, 400, 400],
  'GET /activate/resend': [200, 200, 200],
  'POST /activate/resend': [200, 200, 200],
  'GET /dev/mail': ['not_found', 'not_found', 'not_found'],
  'GET /dev/mail/:id': ['not_found', 'not_found', 'not_found'],
  'GET /forgot': [200, 200, 200],
  'POST /forgot': [200, 200, 200],
  'GET /welcome': [303, 200, 200],
  'GET /account': [303, 200, 200],
  'POST /account/sessions/:id/end': [401, 404, 404],
  'POST /account/sessions/end-others': [401, 303, 303],
  'GET /account/passkeys': [303, 200, 200],
  'POST /account/passkeys/begin': [401, 200, 200],
  'POST /account/passkeys': [401, 400, 400],
  'POST /account/passkeys/:id/rename': [401, 404, 404],
  'POST /account/passkeys/:id/remove': [401, 404, 404],
  'GET /account/profile': [303, 200, 200],
  'POST /account/profile': [401, 303, 303],
  'GET /account/password': [303, 200, 200],
  'POST /account/password': [401, 303, 303],
  'GET /account/delete': [303, 200, 200],
  'POST /account/delete': [401, 303, 303],
  'GET /welcome/api-keys': [303, 200, 200],
  'POST /welcome/api-keys': [401, 200, 200],
  'POST /welcome/api-keys/:id/revoke': [401, 404, 404],
  'POST /welcome/picture': ['invalid_token', 415, 415],
  'POST /welcome/picture/remove': [401, 404, 404],
  'GET /forward-auth/login': [404, 404, 404],
  'GET /forward-auth/callback': [404, 404, 404],
  'GET /forward-auth/logout': [404, 404, 404],
  'POST /forward-auth/logout': [404, 404, 404],
  'GET /auth/:provider': [404, 404, 404],
  'GET /auth/:provider/callback': [404, 404, 404],
  'POST /auth/:provider/connect': [401, 404, 404],
  'POST /auth/:provider/disconnect': [401, 404, 404],
  'GET /logout': [303, 303, 303],
  'POST /logout': [303, 303, 303],
  'POST /api/upload-picture': ['invalid_token', 'unsupported_media_type', 'unsupported_media_type'],
  'POST /api/upload_profile_pic': [
    'invalid_token',
    'unsupported_media_type',
    'unsupported_media_type',
  ],
  'POST /api/upload_readme': ['invalid_token', 'unsupported_media_type', 'unsupported_media_type'],
  'DELETE /api/user/picture': ['invalid_token', 'not_found', 'not_found'],
  'DELETE /api/user/readme': ['invalid_token', 'not_found', 'not_found'],
  'GET /api/users/:id/picture': ['not_found', 'not_found', 'not_found'],
  'GET /api/users/:id/readme': ['not_found', 'not_found', 'not_found'],
  'POST /api/v1/users/signup': [400, 400, 400],
  'POST /api/v1/users/login': [401, 401, 401],
  'GET /api/v1/tokens': [401, 200, 200],
  'DELETE /api/v1/tokens': [401, 200, 200],
  'DELETE /api/v1/tokens/:id': [401, 404, 404],
  'POST /api/v1/roles': [401, 403, 200],
  'DELETE /api/v1/roles/:name': [401, 403, 200],
  'POST /api/v1/users/:username/roles/:name': [401, 403, 200],
  'DELETE /api/v1/users/:username/roles/:name': [401, 403, 200],
  ...withSlash({
    'POST /user': [400, 400, 400],
    'POST /user/activate-account': [400, 400, 400],
    'POST /user/login': [401, 401, 401],
    'GET /user/refresh-token': [401, 401, 401],
    'GET /user/logout': [401, 200, 200],
    'GET /user': [401, 403, 200],
    'GET /user/:uuid': [401, 403, 200],
    'PATCH /user/:uuid': [401, 403, 200],
    'POST /user/change-password/:uuid': [401, 403, 403],
    'DELETE /user/:uuid': [401, 403, 200],
  }),
  'GET /api/user': ['invalid_token', 200, 200],
  'PATCH /api/user': ['invalid_token', 200, 200],
  'DELETE /api/user': ['invalid_token', 200, 200],
  'POST /api/user/password': ['invalid_token', 200, 200],
  'GET /api/user/factors': ['invalid_token', 200, 200],
  'POST /api/user/factors/totp': ['invalid_token', 200, 200],
  'POST /api/user/factors/totp/confirm': ['invalid_token', 'invalid_code', 'invalid_code'],
  'DELETE /api/user/factors/totp': ['invalid_token', 'not_found', 'not_found'],
  'POST /api/user/factors/recovery-codes': ['invalid_token', 'not_found', 'not_found'],
  'DELETE /api/user/trusted-devices/:id': ['invalid_token', 'not_found', 'not_found'],
  'GET /api/user/passkeys': ['invalid_token', 200, 200],
  'POST /api/user/passkeys/options': ['invalid_token', 200, 200],
  'POST /api/user/passkeys': ['invalid_token', 'invalid_passkey', 'invalid_passkey'],
  'PATCH /api/user/passkeys/:id': ['invalid_token', 'not_found', 'not_found'],
  'DELETE /api/user/passkeys/:id': ['invalid_token', 'not_found', 'not_found'],
  'GET /api/user/identities': ['invalid_token', 200, 200],
  'DELETE /api/user/identities/:provider': ['invalid_token', 'not_found', 'not_found'],
  'GET /api/user/api-keys': ['invalid_token', 200, 200],
  'POST /api/user/api-keys': ['invalid_token', 201, 201],
  'DELETE /api/user/api-keys/:id': ['invalid_token', 'not_found', 'not_found'],
  'POST /api/logout': ['invalid_token', 200, 200],
  'GET /api/sessions': ['invalid_token', 200, 200],
  'DELETE /api/sessions': ['invalid_token', 200, 200],
  'DELETE /api/sessions/:id': ['invalid_token', 'not_found', 'not_found'],
  'DELETE /api/users/:id/factors': ['invalid_token', 'forbidden', 'not_found'],
  'GET /api/invitations': ['invalid_token', 'forbidden', 200],
  'POST /api/invitations': ['invalid_token', 'forbidden', 201],
  'DELETE /api/invitations/:id': ['invalid_token', 'forbidden', 'not_found'],
  'GET /api/users': ['invalid_token', 'forbidden', 200],
  'POST /api/users': ['invalid_token', 'forbidden', 201],
  'GET /api/users/:id': ['invalid_token', 'forbidden', 200],
  'PATCH /api/users/:id': ['invalid_token', 'forbidden', 200],
  'DELETE /api/users/:id': ['invalid_token', 'forbidden', 200],
  'POST /api/users/:id/disable': ['invalid_token', 'forbidden', 200],
  'POST /api/users/:id/enable': ['invalid_token', 'forbidden', 200],
  'POST /api/users/:id/password/reset': ['invalid_token', 'forbidden', 200],
  'DELETE /api/users/:id/sessions': ['invalid_token', 'forbidden', 200],
  'GET /api/roles': ['invalid_token', 'forbidden', 200],
  'POST /api/roles': ['invalid_token', 'forbidden', 201],
  'DELETE /api/roles/:name': ['invalid_token', 'forbidden', 200],
  'POST /api/users/:id/roles/:name': ['invalid_token', 'forbidden', 200],
  'DELETE /api/users/:id/roles/:name': ['invalid_token', 'forbidden', 200],
  'GET /api/audit': ['invalid_token', 'forbidden', 200],
  'GET /forward-auth': ['invalid_token', 200, 200],
  'POST /forward-auth': ['invalid_token', 200, 200],
  'GET /forward-auth/role/:role': ['invalid_token', 'forbidden', 200],
  'POST /forward-auth/role/:role': ['invalid_token', 'forbidden', 200],
  'GET /forward-auth/mfa': ['invalid_token', 'second_factor_missing', 'second_factor_missing'],
  'POST /forward-auth/mfa': ['invalid_token', 'second_factor_missing', 'second_factor_missing'],
  'GET /forward-auth/mfa/role/:role': ['invalid_token', 'forbidden', 'second_factor_missing'],
  'POST /forward-auth/mfa/role/:role': ['invalid_token', 'forbidden', 'second_factor_missing'],
}

const collected = collectRoutes()
const routes = () => [...new Map(collected.map((route) => [nameOf(route), route])).values()]
const isForAdmins = (route: Route) => {
  const [, another, admin] = outcomes[nameOf(route)] ?? []
  return (another === 'forbidden' || another === 403) && admin !== 403
}
const isFor = (kind: Outcome, route: Route) => outcomes[nameOf(route)]?.[1] === kind

t.test('every route has its row, and every row its route', async (t) => {
  const { app } = await testApp(t)
  await app.ready()
  t.strictSame(routes().map(nameOf).sort(), Object.keys(outcomes).sort())
})

t.test('who is nobody, or another user, changes nothing that is the victim’s', async (t) => {
  const service = await testApp(t)
  const victim = await createVictim(service)
  const before = await stateOf(service, victim)
  for (const route of routes()) {
    const name = nameOf(route)
    const [nobody = 0, another = 0] = outcomes[name] ?? []
    isAnsweredBy(t, await ask(service, route, victim), nobody, `${name}, nobody`)
    const other = await createClient(service)
    isAnsweredBy(t, await ask(service, route, victim, other), another, `${name}, another`)
    t.strictSame(await stateOf(service, victim), before, `${name} left the victim as they were`)
  }
  t.equal((await victim.send('GET', '/api/user')).status, 200, 'the token is as good as it was')
})

t.test('an administrator may do what nobody else may', async (t) => {
  const service = await testApp(t)
  for (const route of routes()) {
    const name = nameOf(route)
    const victim = await createVictim(service)
    const before = await stateOf(service, victim)
    const answer = await ask(service, route, victim, await createAdmin(service))
    isAnsweredBy(t, answer, outcomes[name]?.[2] ?? 0, name)
    const isTouching = isForAdmins(route) && route.method !== 'GET'
    const isOfVictim =
      /:(id|uuid|username)\b/.test(route.url) && !/^\/api\/invitations|\/factors$/.test(route.url)
    const isMeant = isTouching && (isOfVictim || /^DELETE .*\/roles\/:name$/.test(name))
    // To enable who is enabled is a change of the time of the last change alone.
    if (isMeant) t.notSame(await stateOf(service, victim), before, name)
    else t.strictSame(await stateOf(service, victim), before, name)
  }
})

/** The routes that an API key opens. Everything else is for logins, or for everybody. */
const byKey = new Set([
  'GET /api/user',
  'PATCH /api/user',
  'POST /api/upload-picture',
  'POST /api/upload_profile_pic',
  'POST /api/upload_readme',
  'DELETE /api/user/picture',
  'DELETE /api/user/readme',
  'GET /api/users',
  'POST /api/users',
  'GET /api/users/:id',
  'POST /api/users/:id/disable',
  'POST /api/users/:id/enable',
  'GET /api/roles',
  'POST /api/roles',
  'DELETE /api/roles/:name',
  'DELETE /api/users/:id/roles/:name',
  'GET /api/audit',
  'GET /forward-auth',
  'POST /forward-auth',
  'GET /forward-auth/role/:role',
  'POST /forward-auth/role/:role',
])

const statusOf = (outcome: Outcome) => (typeof outcome === 'number' ? outcome : errors[outcome][0])

t.test('an API key, and a token for it, may do no more than the table says', async (t) => {
  const service = await testApp(t)
  for (const roles of [[], ['user'], ['admin'], ['admin', 'user']]) {
    const isAdmin = roles.includes('admin')
    const arrange = async () => {
      const owner = await createAdmin(service)
      const { key } = await createKey(service, owner.login.access_token, { roles })
      return { victim: await createVictim(service), owner, key }
    }
    const { victim, owner, key } = await arrange()
    const state = async () => [await stateOf(service, victim), await stateOf(service, owner)]
    const before = await state()
    const labelOf = (route: Route) => `${nameOf(route)}, ${roles.join() || 'no role'}`
    for (const route of routes().filter((one) => !byKey.has(nameOf(one)))) {
      const label = labelOf(route)
      const [nobody = 0] = outcomes[nameOf(route)] ?? []
      // Where no token is needed, the key may do what everybody may do.
      const allowed = [401, 403, statusOf(nobody)]
      for (const token of [key, await exchangeKey(service.app, key)]) {
        const answer = await ask(service, route, victim, withToken(owner, token))
        t.ok(allowed.includes(answer.statusCode), `${label}: ${answer.statusCode} ${answer.body}`)
      }
      t.strictSame(await state(), before, `${label} changed nothing`)
    }
    for (const route of routes().filter((one) => byKey.has(nameOf(one)))) {
      const [, user = 0, admin = 0] = outcomes[nameOf(route)] ?? []
      const other = await arrange()
      const token = route.method === 'GET' ? await exchangeKey(service.app, other.key) : other.key
      const answer = await ask(service, route, other.victim, withToken(other.owner, token))
      t.equal(answer.statusCode, statusOf(isAdmin ? admin : user), labelOf(route))
    }
  }
})

const withToken = (owner: Client, access_token: string): Client => ({
  ...owner,
  login: { ...owner.login, access_token },
})

t.test('another user learns nothing of what an administrator would have to send', async (t) => {
  const service = await testApp(t)
  const victim = await createVictim(service)
  const other = await createClient(service)
  for (const route of routes().filter((one) => isFor('forbidden', one) && one.body)) {
    for (const body of [{}, { name: 5 }, { nonsense: true }]) {
      const answer = await ask(service, route, victim, other, body)
      isAnsweredBy(t, answer, 'forbidden', `${nameOf(route)} ${JSON.stringify(body)}`)
    }
  }
})

t.test('a body cannot say who somebody is, or what they may', async (t) => {
  const service = await testApp(t)
  const victim = await createVictim(service)
  const admin = await createAdmin(service)
  const added = { userId: victim.id, sub: victim.id, id: victim.id, role: 'admin', active: true }
  for (const route of routes().filter(({ body, speaks }) => body && speaks === 'json')) {
    // An account that an administrator makes, or invites, has the roles that they say, and so has a key.
    const givesRoles = ['POST /api/users', 'POST /api/invitations', 'POST /api/user/api-keys']
    const roles = givesRoles.includes(nameOf(route)) ? {} : { roles: ['admin'] }
    for (const [field, value] of Object.entries({ ...added, ...roles })) {
      const name = `${nameOf(route)} ${field}`
      const body = { ...bodies[nameOf(route)]?.(victim), [field]: value }
      const answer = await ask(service, route, victim, admin, body)
      isAnsweredBy(t, answer, 'validation_failed', name)
      t.match(
        answer.json(),
        { errors: [{ field, message: `"${field}" is not a known field.` }] },
        name,
      )
    }
  }
})

t.test('a body that a route does not ask for means nothing to it', async (t) => {
  const service = await testApp(t)
  const bystander = await createVictim(service)
  const { id } = bystander
  for (const route of routes().filter(({ body, readsBody }) => !body && readsBody)) {
    const victim = await createVictim(service)
    const admin = await createAdmin(service)
    const body = { id, userId: id, user_id: id, sub: id, role: 'admin', name: 'editor' }
    const before = await stateOf(service, bystander)
    const answer = await ask(service, route, victim, admin, body)
    isAnsweredBy(t, answer, outcomes[nameOf(route)]?.[2] ?? 0, nameOf(route))
    // That one takes the role from everybody.
    if (/^DELETE .*\/roles\/:name$/.test(nameOf(route))) continue
    t.strictSame(await stateOf(service, bystander), before, nameOf(route))
  }
})

t.test('who was an administrator until now is none', async (t) => {
  const service = await testApp(t)
  const victim = await createVictim(service)
  const chief = await createAdmin(service)
  const ends: [path: string, method: 'POST' | 'DELETE', outcome: Outcome][] = [
    ['disable', 'POST', 'invalid_token'],
    ['roles/admin', 'DELETE', 'token_stale'],
    ['sessions', 'DELETE', 'invalid_token'],
    ['password/reset', 'POST', 'invalid_token'],
  ]
  for (const [path, method, outcome] of ends) {
    const admin = await createAdmin(service)
    t.equal((await admin.send('GET', '/api/users')).status, 200, path)
    t.equal((await chief.send(method, `/api/users/${admin.id}/${path}`)).status, 200, path)
    const before = await stateOf(service, victim)
    for (const route of routes().filter((one) => isFor('forbidden', one))) {
      const answer = await ask(service, route, victim, admin)
      isAnsweredBy(t, answer, outcome, `${path}: ${nameOf(route)}`)
    }
    t.strictSame(await stateOf(service, victim), before, path)
  }
})

t.test('a refresh gives who was demoted no more than what is left to them', async (t) => {
  const service = await testApp(t)
  const victim = await createVictim(service)
  const chief = await createAdmin(service)
  const admin = await createAdmin(service)
  await chief.send('DELETE', `/api/users/${admin.id}/roles/admin`)
  const demoted = clientOf(service.app, admin.account, await refreshed(service, admin))
  for (const route of routes().filter((one) => isFor('forbidden', one))) {
    isAnsweredBy(t, await ask(service, route, victim, demoted), 'forbidden', nameOf(route))
  }
})
