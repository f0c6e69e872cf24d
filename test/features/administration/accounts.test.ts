import t, { type Test } from 'tap'
import { testApp } from '../../support/app.js'
import { again, createAdmin, createClient, refreshed } from '../../support/http/client.js'

const unknown = '01890a5d-ac96-774b-bcce-b302099a8057'

async function service(t: Test) {
  const test = await testApp(t)
  const admin = await createAdmin(test)
  const user = await createClient(test)
  const messages = (id: string) =>
    test.sql('select message, kind, address from outbox where user_id = $1 order by id', [id])
  return { ...test, admin, user, messages }
}

t.test('a new account waits for its owner, who is asked to choose a password', async (t) => {
  const { admin, app, sql, messages } = await service(t)
  await sql(`insert into roles values ('editor')`)
  const payload = { name: ' Ada ', email: 'Ada@Example.org', username: 'ada', roles: ['editor'] }
  const { status, body } = await admin.send('POST', '/api/users', payload)
  t.equal(status, 201)
  const user = body.user as { id: string }
  t.match(user, {
    name: 'Ada',
    email: 'Ada@Example.org',
    username: 'ada',
    roles: ['editor', 'user'],
    active: false,
    activated_at: null,
    email_verified: true,
    email_verified_at: String,
    mobile_verified: false,
    mobile_verified_at: null,
  })
  const invitation = { message: 'invitation', kind: 'email', address: 'Ada@Example.org' }
  t.strictSame(await messages(user.id), [invitation])
  const [{ password_hash } = {}] = await sql('select password_hash from users where id = $1', [
    user.id,
  ])
  t.equal(password_hash, null)
  const login = { email: 'ada@example.org', password: 'correct horse battery' }
  const answer = await app.inject({ method: 'POST', url: '/api/login', payload: login })
  t.match(answer.json(), { code: 'invalid_credentials' })
})

t.test(
  'an account is not made in part, nor with a password, nor for whom nobody can write',
  async (t) => {
    const { admin, sql, user } = await service(t)
    const before = await sql('select count(*) from users')
    const refused: [payload: object, code: string, field?: string][] = [
      [
        { email: 'a@example.org', password: 'correct horse battery' },
        'validation_failed',
        'password',
      ],
      [{ email: 'a@example.org', password_hash: 'x' }, 'validation_failed', 'password_hash'],
      [{ username: 'ada' }, 'validation_failed', 'email'],
      [{}, 'validation_failed', 'email'],
      [{ email: user.account.email.toUpperCase() }, 'email_taken', 'email'],
      [{ email: 'a@example.org', roles: ['user', 'nobody'] }, 'not_found'],
      [{ email: 'a@example.org', roles: ['Admin'] }, 'validation_failed', 'roles.0'],
    ]
    for (const [payload, code, field] of refused) {
      const { body } = await admin.send('POST', '/api/users', payload)
      const errors = field ? { errors: [{ field }] } : {}
      t.match(body, { status: 'error', code, ...errors }, JSON.stringify(payload))
    }
    t.strictSame(await sql('select count(*) from users'), before)
    t.strictSame(await sql('select * from outbox'), [])
  },
)

t.test('every faulty field of a new account or an edit is named', async (t) => {
  const { admin, user } = await service(t)
  const faulty = { name: 'Ada', email: 'ada', username: '-' }
  const errors = [{ field: 'email' }, { field: 'username' }]
  const code = 'validation_failed'
  for (const [method, path] of [
    ['POST', '/api/users'],
    ['PATCH', `/api/users/${user.id}`],
  ] as const) {
    const { body } = await admin.send(method, path, faulty)
    t.match(body, { code, errors }, path)
    t.equal((body.errors as object[]).length, 2, path)
  }
  const { body } = await admin.send('POST', '/api/users', { username: '-' })
  t.match(body, { code, errors: [{ field: 'username' }, { field: 'email' }] })
})

t.test('an edit counts at once, and the old address hears of it', async (t) => {
  const { admin, user, sql, messages } = await service(t)
  await sql('update users set email_verified_at = now() where id = $1', [user.id])
  const payload = { name: 'Grace', gender: null, email: 'grace@example.org', mobile: '+1 555 0100' }
  const { status, body } = await admin.send('PATCH', `/api/users/${user.id}`, payload)
  t.equal(status, 200)
  t.match(body.user, { ...payload, email_verified: true, mobile_verified: true, id: user.id })
  t.strictSame(await messages(user.id), [
    { message: 'address_changed', kind: 'email', address: user.account.email },
  ])
  t.equal((await user.send('GET', '/api/user')).status, 200, 'they stay logged in')
  for (const [changes, code] of [
    [{ email: admin.account.email }, 'email_taken'],
    [{ email: null, mobile: null }, 'validation_failed'],
    [{}, 'validation_failed'],
  ] as const) {
    t.match(await admin.send('PATCH', `/api/users/${user.id}`, changes), { code })
  }
  const { body: after } = await admin.send('GET', `/api/users/${user.id}`)
  t.match(after.user, payload, 'what was refused changed nothing')
})

t.test('who is disabled is out at once, and hears no more than a stranger', async (t) => {
  const { admin, app, user } = await service(t)
  const { status, body } = await admin.send('POST', `/api/users/${user.id}/disable`)
  t.match(
    { status, user: body.user },
    { status: 200, user: { active: false, disabled_at: String } },
  )
  t.match(await user.send('GET', '/api/user'), { status: 401, code: 'invalid_token' })
  await t.rejects(refreshed({ app }, user), /invalid_token/)
  const login = (password: string, email = user.account.email) =>
    app.inject({ method: 'POST', url: '/api/login', payload: { email, password } })
  const right = await login(user.account.password)
  const stranger = await login('a wrong password', 'nobody@example.org')
  t.equal(right.statusCode, 401)
  t.strictSame(right.json(), stranger.json())
  const twice = await admin.send('POST', `/api/users/${user.id}/disable`)
  const at = ({ user: seen }: Record<string, unknown>) =>
    (seen as { disabled_at: string }).disabled_at
  t.equal(at(twice.body), at(body), 'the first time counts')
})

t.test('who is enabled again logs in, but is not logged in', async (t) => {
  const { admin, user, app } = await service(t)
  await admin.send('POST', `/api/users/${user.id}/disable`)
  const { body } = await admin.send('POST', `/api/users/${user.id}/enable`)
  t.match(body.user, { active: true, disabled_at: null })
  t.equal((await user.send('GET', '/api/user')).status, 401, 'the old token stays dead')
  const { send } = await again({ app }, user)
  t.equal((await send('GET', '/api/user')).status, 200)
})

t.test('a deleted user is gone, with all that was theirs', async (t) => {
  const { admin, user, sql } = await service(t)
  t.equal((await admin.send('DELETE', `/api/users/${user.id}`)).status, 200)
  t.match(await user.send('GET', '/api/user'), { status: 401, code: 'invalid_token' })
  for (const table of ['sessions', 'user_roles', 'one_time_codes']) {
    t.strictSame(await sql(`select from ${table} where user_id = $1`, [user.id]), [], table)
  }
  const left = await sql('select message, address, user_id from outbox')
  const message = 'account_deleted'
  t.strictSame(left, [{ message, address: user.account.email, user_id: null }])
  t.equal((await admin.send('GET', `/api/users/${user.id}`)).status, 404)
})

t.test('a forced reset takes the password, every session and every code', async (t) => {
  const { admin, user, app, sql, messages } = await service(t)
  const { status } = await admin.send('POST', `/api/users/${user.id}/password/reset`)
  t.equal(status, 200)
  t.match(await user.send('GET', '/api/user'), { status: 401, code: 'invalid_token' })
  await t.rejects(again({ app }, user), /invalid_credentials/)
  t.match(await messages(user.id), [{ message: 'choose_password', address: user.account.email }])
  await sql(
    `update users set email = null, email_canonical = null, username = 'x',
    username_canonical = 'x' where id = $1`,
    [user.id],
  )
  const { code } = await admin.send('POST', `/api/users/${user.id}/password/reset`)
  t.equal(code, 'no_address', 'who cannot be written to would be locked out')
})

t.test('to end the sessions of a user says how many there were', async (t) => {
  const { admin, user, app } = await service(t)
  const other = await again({ app }, user)
  const { body } = await admin.send('DELETE', `/api/users/${user.id}/sessions`)
  t.match(body, { ended: 2 })
  for (const { send } of [user, other]) t.equal((await send('GET', '/api/user')).status, 401)
  t.equal((await again({ app }, user)).id, user.id, 'they may log in again')
  t.equal((await admin.send('GET', '/api/user')).status, 200, 'nobody else’s ended')
})

t.test('what is about nobody is not found', async (t) => {
  const { admin } = await service(t)
  const rows: ['GET' | 'PATCH' | 'POST' | 'DELETE', path: string, payload?: object][] = [
    ['GET', ''],
    ['PATCH', '', { name: 'Ada' }],
    ['DELETE', ''],
    ['POST', '/disable'],
    ['POST', '/enable'],
    ['POST', '/password/reset'],
    ['DELETE', '/sessions'],
    ['POST', '/roles/user'],
    ['DELETE', '/roles/user'],
  ]
  for (const [method, path, payload] of rows) {
    const reply = await admin.send(method, `/api/users/${unknown}${path}`, payload)
    t.match(reply, { status: 404, code: 'not_found' }, `${method} ${path}`)
  }
})
