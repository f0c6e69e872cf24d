import type { Test } from 'tap'
import { errors, type ErrorCode } from '../../../src/errors.js'
import { bearer, type TestApp } from '../app.js'
import { createClient, type Client } from './client.js'
import { nameOf, type Route } from './route-table.js'

/** A status, or the code of the error. */
export type Outcome = number | ErrorCode

const password = 'correct horse battery'
const usernameOf = (id: string) => `victim-${id}`
const link = { token: 'A'.repeat(43) }
/** Well-formed, of no passkey. */
const ofPasskey = { id: 'AAAA', rawId: 'AAAA', type: 'public-key' }
const assertion = {
  ...ofPasskey,
  response: { clientDataJSON: 'AAAA', authenticatorData: 'AAAA', signature: 'AAAA' },
}
const attestation = {
  ...ofPasskey,
  response: { clientDataJSON: 'AAAA', attestationObject: 'AAAA' },
}

/** The same with and without the closing slash. */
export function withSlash<Value>(rows: Record<string, Value>): Record<string, Value> {
  const spelt = Object.entries(rows).flatMap(([name, row]) => [
    [name, row] as const,
    [`${name}/`, row] as const,
  ])
  return Object.fromEntries(spelt)
}

/** A body that a route takes, about the victim where that can be said at all. */
export const bodies: Record<string, (victim: Client) => object> = {
  'POST /api/register': ({ account }) => ({ ...account, password: 'another horse battery' }),
  'POST /api/activate': () => link,
  'POST /api/activate/resend': ({ account: { email } }) => ({ email }),
  'POST /api/login': ({ account }) => ({ ...account, password: 'another horse battery' }),
  'POST /api/login/verify': () => ({ challenge: 'A'.repeat(43), code: '000000' }),
  'POST /api/login/enrol': () => ({ challenge: 'A'.repeat(43) }),
  'POST /api/login/passkey': () => ({ credential: assertion }),
  'POST /api/user/passkeys': () => ({ credential: attestation }),
  'PATCH /api/user/passkeys/:id': () => ({ name: 'Mallory' }),
  'POST /api/user/factors/totp/confirm': () => ({ code: '000000' }),
  'POST /login/verify': () => ({ challenge: 'A'.repeat(43), code: '000000' }),
  'POST /login/passkey': () => ({ credential: JSON.stringify(assertion) }),
  'POST /login/enrol': () => ({ challenge: 'A'.repeat(43) }),
  'POST /account/sessions/:id/end': () => ({}),
  'POST /account/sessions/end-others': () => ({}),
  'POST /account/passkeys/begin': () => ({}),
  'POST /account/passkeys': () => ({ credential: JSON.stringify(attestation) }),
  'POST /account/passkeys/:id/rename': () => ({ name: 'Mallory' }),
  'POST /account/passkeys/:id/remove': () => ({}),
  'POST /account/profile': () => ({ name: 'Mallory' }),
  'POST /account/password': () => ({
    old_password: password,
    new_password: 'a new horse battery',
  }),
  'POST /account/delete': () => ({ password }),
  'POST /device': () => ({ user_code: 'WDJB-MJHT' }),
  'POST /device/approve': () => ({ confirmation: 'A'.repeat(96) }),
  'POST /device/deny': () => ({ confirmation: 'A'.repeat(96) }),
  'POST /welcome/picture/remove': () => ({}),
  'POST /second-factor/begin': () => ({}),
  'POST /second-factor/confirm': () => ({ code: '000000' }),
  'POST /second-factor/codes': () => ({}),
  'POST /second-factor/remove': () => ({}),
  'POST /second-factor/devices/:id/forget': () => ({}),
  'POST /api/refresh': ({ login }) => ({ refresh_token: login.access_token }),
  'POST /api/logout': () => ({ everywhere: true }),
  'POST /api/password/forgot': ({ account: { email } }) => ({ email }),
  'POST /api/password/reset': () => ({ ...link, new_password: password }),
  'POST /api/user/confirm': () => link,
  'PATCH /api/user': () => ({ name: 'Mallory' }),
  'DELETE /api/user': () => ({ password }),
  'POST /api/user/password': () => ({
    old_password: password,
    new_password: 'a new horse battery',
  }),
  'POST /api/user/api-keys': ({ id }) => ({ name: `of ${id}` }),
  'POST /api/invitations': ({ id }) => ({ email: `invited-by-${id}@example.org` }),
  'POST /api/users': ({ id }) => ({ email: `made-for-${id}@example.org` }),
  'PATCH /api/users/:id': () => ({ name: 'Mallory', email: null, username: 'mallory' }),
  'POST /api/roles': ({ id }) => ({ name: `of-${id}` }),
  'POST /login': ({ account: { email } }) => ({ username: email, password: 'another battery' }),
  'POST /register': ({ account: { email } }) => ({ email, password: 'another horse battery' }),
  'POST /welcome/api-keys': ({ id }) => ({ name: `of ${id}` }),
  'POST /forgot': ({ account: { email } }) => ({ address: email }),
  'POST /activate/resend': ({ account: { email } }) => ({ address: email }),
  'POST /api/v1/users/signup': ({ account: { email } }) => ({
    ...{ username: 'mallory', email, password: 'another horse battery' },
  }),
  'POST /api/v1/users/login': ({ id }) => ({ username: usernameOf(id), password: 'x' }),
  'POST /api/v1/roles': ({ id }) => ({ name: `of-${id}` }),
  ...withSlash({
    'POST /user/activate-account': () => ({ mobile: '+441632960960', code: '12345678' }),
    'POST /user/login': ({ id }) => ({ username: usernameOf(id), password: 'x' }),
    'PATCH /user/:uuid': () => ({ gender: 'x' }),
    'POST /user/change-password/:uuid': () => ({
      old_password: password,
      new_password: 'a new horse battery',
    }),
  }),
  'POST /oauth/token': () => ({ grant_type: 'refresh_token', refresh_token: 'x' }),
  'POST /oauth/device_authorization': () => ({ client_id: 'gatehouse' }),
  'POST /oauth/introspect': ({ login }) => ({ token: login.access_token }),
  'POST /oauth/revoke': ({ login }) => ({ token: `${login.access_token}x` }),
  'POST /activate': () => link,
  'POST /reset': () => ({ ...link, new_password: password }),
  'POST /confirm': () => link,
  'POST /not-me': () => link,
}

/** All that is stored about somebody. */
export const stateOf = ({ sql }: TestApp, { id }: Client) =>
  sql(
    `select to_jsonb(u) as account,
       array(select to_jsonb(s) from sessions s where user_id = u.id order by id) as sessions,
       array(select role from user_roles where user_id = u.id order by role) as roles
     from users u where id = $1`,
    [id],
  )

/** Somebody with a session, and a role that can be taken away. */
export async function createVictim(service: TestApp): Promise<Client> {
  const { sql } = service
  const victim = await createClient(service, 'victim')
  await sql(`insert into roles values ('editor') on conflict do nothing`)
  await sql(`insert into user_roles values ($1, 'editor')`, [victim.id])
  const username = usernameOf(victim.id)
  await sql('update users set username = $2, username_canonical = $2 where id = $1', [
    victim.id,
    username,
  ])
  return victim
}

/** The path of a route for what is the victim's: the session of theirs, the account, a role. */
async function pathOf({ sql }: TestApp, { url, method }: Route, { id }: Client): Promise<string> {
  const [session] = await sql<{ id: string }>('select id from sessions where user_id = $1', [id])
  const isOfSession = /^\/api\/(sessions|v1\/tokens)\//.test(url)
  return url
    .replace(':uuid', id)
    .replace(':username', usernameOf(id))
    .replace(':id', (isOfSession ? session?.id : id) ?? '')
    .replace(':role', 'admin')
    .replace(':name', method === 'DELETE' ? 'editor' : 'admin')
}

const asForm = {
  accept: 'text/html',
  'content-type': 'application/x-www-form-urlencoded',
}
const toForm = (body: object) => new URLSearchParams(body as Record<string, string>).toString()

/** A request of a route about the victim, with a good body unless another is given. */
export async function ask(
  service: TestApp,
  route: Route,
  victim: Client,
  who?: Client,
  body?: object,
) {
  const url = await pathOf(service, route, victim)
  const payload = body ?? bodies[nameOf(route)]?.(victim)
  const isForm = ['page', 'oauth'].includes(route.speaks) && route.method === 'POST'
  return service.app.inject({
    method: route.method as 'GET',
    url,
    headers: {
      ...(who && bearer(who.login.access_token)),
      ...(isForm && asForm),
    },
    ...(payload && { payload: isForm ? toForm(payload) : payload }),
  })
}

export type Answer = Awaited<ReturnType<typeof ask>>

export function isAnsweredBy(t: Test, answer: Answer, outcome: Outcome, name: string): void {
  const status = typeof outcome === 'number' ? outcome : errors[outcome][0]
  t.equal(answer.statusCode, status, `${name}: ${answer.body.slice(0, 200)}`)
  if (typeof outcome === 'string') t.equal(answer.json<{ code: string }>().code, outcome, name)
}
