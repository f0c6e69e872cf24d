import { createHash, randomBytes, randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { auditEvents } from '../../../src/features/audit/schemas.js'
import { testApp, type TestApp } from '../../support/app.js'
import { passGrace } from '../../support/pass-time.js'
import { clientOf, createAdmin, refreshed, type Client } from '../../support/http/client.js'

type Entry = {
  id: string
  event: string
  actor_id: string | null
  user_id: string | null
  address: string
  user_agent: string
  request_id: string
  detail: Record<string, unknown>
}

const password = 'a password that is typed'
const next = 'another password that is typed'
const agent = 'Audited/1.0'
const from = { headers: { 'user-agent': agent }, remoteAddress: '203.0.113.9' }

/** Every entry, oldest first. */
const entriesOf = ({ sql }: TestApp) => sql<Entry>('select * from audit_log order by id')

/** A link as a message would bring it. */
async function linkFor({ sql }: TestApp, userId: string, purpose: string, email: string) {
  const token = randomBytes(32).toString('base64url')
  await sql(
    `insert into one_time_codes (id, user_id, purpose, kind, address, address_canonical, link_hash,
       code_hash, code_expires_at, link_expires_at)
     values ($1, $2, $3, 'email', $4, $4, $5, '', now() + interval '1 hour', now() + interval '1 hour')`,
    [randomUUID(), userId, purpose, email, createHash('sha256').update(token).digest()],
  )
  return token
}

async function post({ app }: TestApp, url: string, payload: object) {
  const answer = await app.inject({ method: 'POST', url, payload, ...from })
  const body = answer.json<{ status: string; user: { id: string } }>()
  if (body.status !== 'success') throw new Error(answer.body)
  return body
}

/** The life of an account by its own hand: what was typed, and the user as they are logged in last. */
async function live(t: Test, service: TestApp, strict: TestApp) {
  const { app } = service
  const email = 'typed@example.org'
  const moved = 'moved@example.org'
  const typed = [email, moved, password, next, 'Typed Name', 'typed-wrongly', 'nobody-typed']
  const logIn = async (address: string, secret: string): Promise<Client> => {
    const account = { email: address, password: secret }
    const answer = await app.inject({
      method: 'POST',
      url: '/api/login',
      payload: account,
      ...from,
    })
    typed.push(answer.json<{ access_token: string }>().access_token)
    return clientOf(app, account, answer.json())
  }
  const call = (
    { send }: Client,
    method: 'POST' | 'PATCH' | 'DELETE',
    url: string,
    body?: object,
  ) => send(method, url, body, from.headers)

  await post(strict, '/api/register', { email, password, name: 'Typed Name' })
  const [{ user_id: id } = { user_id: '' }] = await entriesOf(service)
  await post(strict, '/api/register', { email, password })
  typed.push(await linkFor(service, id ?? '', 'activation', email))
  await post(service, '/api/activate', { token: typed.at(-1) })
  typed.push(await linkFor(service, id ?? '', 'password_reset', email))
  await post(service, '/api/password/reset', { token: typed.at(-1), new_password: password })
  for (const who of [email, 'nobody-typed@example.org']) {
    const payload = { email: who, password: 'typed-wrongly' }
    await app.inject({ method: 'POST', url: '/api/login', payload, ...from })
  }

  const first = await logIn(email, password)
  const second = { ...first, login: await refreshed(service, first) }
  await passGrace(service.sql)
  await refreshed(service, first)
  await passGrace(service.sql)
  await t.rejects(refreshed(service, first), /invalid_token/)
  const present = await logIn(email, password)
  await call(present, 'PATCH', '/api/user', { name: 'Typed Name', email: moved })
  typed.push(await linkFor(service, id ?? '', 'email_change', moved))
  await post(service, '/api/user/confirm', { token: typed.at(-1) })
  const code = { email, code: '12345678' }
  await app.inject({ method: 'POST', url: '/api/activate', payload: code, ...from })
  typed.push(code.code)
  const guess = { old_password: 'typed-wrongly', new_password: next }
  await call(present, 'POST', '/api/user/password', guess)
  for (let tries = 0; tries < 3; tries += 1) await call(present, 'POST', '/api/users', code)
  const passwords = { old_password: password, new_password: next }
  await call(present, 'POST', '/api/user/password', passwords)
  await call(present, 'POST', '/api/logout')
  const last = await logIn(moved, next)
  typed.push(first.login.refresh_token, second.login.refresh_token)
  return { id, last, call, typed }
}

t.test('each event is written with who did it to whom, from where, in which request', async (t) => {
  const service = await testApp(t)
  const strict = await testApp(t, { url: service.url, env: { ACTIVATION: 'required' } })
  const { id, last, call, typed } = await live(t, service, strict)
  const own = await entriesOf(service)
  const ofUser = (event: string, actor: string | null = null, user = id) => [event, actor, user]
  t.strictSame(
    own.map(({ event, actor_id, user_id }) => [event, actor_id, user_id]),
    [
      ofUser('user.registered'),
      ofUser('user.registered_again'),
      ofUser('user.activated'),
      ofUser('password.reset'),
      ofUser('login.failed'),
      ofUser('login.failed', null, null),
      ofUser('login.succeeded', id),
      ofUser('session.refresh_repeated'),
      ofUser('session.refresh_reuse'),
      ofUser('login.succeeded', id),
      ofUser('user.updated', id),
      ofUser('user.address_changed'),
      ofUser('code.refused', null, null),
      ofUser('reauthentication.failed', id),
      ofUser('access.denied', id),
      ofUser('password.changed', id),
      ofUser('session.ended', id),
      ofUser('login.succeeded', id),
    ],
    'a refresh is not written down, unless it is late',
  )

  const admin = await createAdmin(service)
  const before = (await entriesOf(service)).length
  await admin.send('POST', '/api/roles', { name: 'editor' }, from.headers)
  const steps: ['POST' | 'DELETE' | 'PATCH', path: string, body?: object][] = [
    ['POST', '/roles/editor'],
    ['DELETE', '/roles/editor'],
    ['PATCH', '', { name: 'Typed Name' }],
    ['DELETE', '/sessions'],
    ['POST', '/disable'],
    ['POST', '/enable'],
    ['POST', '/password/reset'],
    ['DELETE', ''],
  ]
  for (const [method, path, body] of steps) {
    const { status } = await call(admin, method, `/api/users/${id}${path}`, body)
    t.equal(status, 200, `${method} ${path}`)
  }
  await call(admin, 'DELETE', '/api/roles/editor')
  const { body } = await call(admin, 'POST', '/api/users', { email: 'typed-too@example.org' })
  const created = (body.user as { id: string }).id
  const done = (await entriesOf(service)).slice(before)
  const events = [
    ...['role.granted', 'role.revoked', 'user.updated', 'session.ended', 'user.disabled'],
    ...['user.enabled', 'password.reset_forced', 'user.deleted'],
  ]
  t.strictSame(
    done.map(({ event, actor_id, user_id }) => [event, actor_id, user_id]),
    [
      ['role.created', admin.id, null],
      ...events.map((event) => [event, admin.id, id]),
      ['role.deleted', admin.id, null],
      ['user.created', admin.id, created],
    ],
  )

  t.strictSame(
    [...new Set([...own, ...done].map(({ event }) => event))].sort(),
    auditEvents
      .filter(
        (event) =>
          !/^(api_key|client|device|device_login|factor|identity|invitation|key|passkey|token)\.|user\.claimed|login\.disowned|\.opened|code_reuse/.test(
            event,
          ),
      )
      .sort(),
    'the others: test/api-keys, test/authorization, test/factors, test/invitations, test/login-notices, test/clients, test/device-logins, test/oauth, test/passkeys, test/social and test/system/tokens/rotation.test.ts',
  )
  const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/
  for (const { event, request_id, user_agent, address } of [...own, ...done]) {
    t.match(request_id, uuid, event)
    if (!event.startsWith('session.refresh')) t.equal(user_agent, agent, event)
    t.match(address, /^(203\.0\.113\.9|127\.0\.0\.1)$/, event)
  }
  const ids = new Set([...own, ...done].map(({ request_id }) => request_id))
  t.equal(ids.size, own.length + done.length, 'each of a request of its own')
  t.equal(own[4]?.address, '203.0.113.9')
  t.equal((await last.send('GET', '/api/user')).code, 'invalid_token')

  const all = JSON.stringify(await entriesOf(service))
  for (const text of [...typed, 'typed-too']) t.notOk(all.includes(text), 'nothing that was typed')
})
