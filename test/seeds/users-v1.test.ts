import t, { type Test } from 'tap'
import { ada as account, bearer, listeningApp } from '../support/app.js'
import { jsonClient } from '../support/browser-session.js'

const ada = { username: 'ada', ...account }
const { username, password } = ada

type Tokens = { msg: string; token: string; access_token: string; refresh_token: string }

async function course(t: Test) {
  const { origin, sql } = await listeningApp(t)

  const call = jsonClient(`${origin}/api/v1`)
  const signup = (body: object) => call('POST', '/users/signup', body)
  const login = (body: object) => call('POST', '/users/login', body)
  const tokensOf = async (body: object) => (await login(body)).body as Tokens

  /** An administrator's token, and the one of somebody who is none. */
  async function people() {
    await signup(ada)
    await signup({ ...ada, username: 'eve', email: 'eve@example.org' })
    await sql(`insert into user_roles (user_id, role)
      select id, 'admin' from users where username = 'ada'`)
    const { token: admin } = await tokensOf({ username, password })
    const { token: eve } = await tokensOf({ username: 'eve', password })
    return { admin, eve }
  }

  return { origin, sql, call, signup, login, tokensOf, people }
}

t.test('signup welcomes, and login connects with tokens that /api takes', async (t) => {
  const { origin, signup, login } = await course(t)
  t.strictSame(await signup(ada), { status: 200, body: { msg: 'welcome :-)' } })
  const { status, body } = await login({ username, password })
  t.equal(status, 200)
  const { token, access_token, refresh_token } = body as Tokens
  t.strictSame(body, {
    msg: 'you are now connected',
    token: access_token,
    access_token,
    refresh_token,
  })
  const me = await fetch(`${origin}/api/user`, { headers: bearer(token) })
  t.match(await me.json(), { user: { username, email: ada.email, roles: ['user'] } })
  const refreshed = await fetch(`${origin}/api/refresh`, {
    method: 'POST',
    headers: bearer(refresh_token),
  })
  t.equal(refreshed.status, 200)
})

for (const [path, names] of [
  ['/users/signup', ['username', 'email', 'password']],
  ['/users/login', ['username', 'password']],
] as const) {
  t.test(`${path} names the first field that is empty or missing`, async (t) => {
    const { call, sql } = await course(t)
    const whole = Object.fromEntries(names.map((name) => [name, ada[name]]))
    for (const name of names) {
      const expected = { status: 400, body: { error: `${name} is empty` } }
      t.strictSame(await call('POST', path, { ...whole, [name]: '' }), expected, `empty ${name}`)
      t.strictSame(
        await call('POST', path, { ...whole, [name]: undefined }),
        expected,
        `no ${name}`,
      )
    }
    const first = { status: 400, body: { error: 'username is empty' } }
    t.strictSame(await call('POST', path, {}), first)
    t.strictSame(await sql('select from users'), [])
  })

  t.test(`${path} answers what is no text in its own envelope`, async (t) => {
    const { call, sql } = await course(t)
    const whole = Object.fromEntries(names.map((name) => [name, ada[name]]))
    for (const name of names) {
      for (const value of [1, true, null, ['ada'], { $ne: '' }]) {
        const answer = await call('POST', path, { ...whole, [name]: value })
        const expected = { status: 400, body: { error: `${name} must be text` } }
        t.strictSame(answer, expected, `${name}: ${JSON.stringify(value)}`)
      }
    }
    const unknown = await call('POST', path, { ...whole, roles: ['admin'] })
    t.strictSame(unknown, { status: 400, body: { error: 'roles is not a known field' } })
    const none = await call('POST', path)
    t.strictSame(none, { status: 400, body: { error: 'body must be an object' } })
    t.strictSame(await sql('select from users'), [])
  })
}

t.test('a username or e-mail address that somebody has is refused', async (t) => {
  const { signup, sql } = await course(t)
  await signup(ada)
  const other = { username: 'eve', email: 'eve@example.org', password }
  const name = await signup({ ...other, username: 'ADA' })
  t.strictSame(name, { status: 400, body: { error: 'username already used' } })
  const email = await signup({ ...other, email: 'Ada@Example.org' })
  t.strictSame(email, { status: 400, body: { error: 'email already used' } })
  const both = await signup(ada)
  t.strictSame(both, { status: 400, body: { error: 'username already used' } })
  t.strictSame(await sql('select username from users'), [{ username: 'ada' }])
})

t.test('a wrong password and an unknown username get the same answer', async (t) => {
  const { signup, login } = await course(t)
  await signup(ada)
  const wrong = await login({ username, password: 'a wrong horse battery' })
  t.strictSame(wrong, { status: 401, body: { error: 'Invalid credentials' } })
  t.strictSame(await login({ username: 'eve', password }), wrong)
})

t.test("one sees and ends one's own sessions, and nobody else's", async (t) => {
  const { call, people, tokensOf } = await course(t)
  const { admin, eve } = await people()
  const { token } = await tokensOf({ username, password })
  const list = async (of: string) => {
    const { status, body } = await call('GET', '/tokens', undefined, of)
    return { status, tokens: (body as { tokens?: { id: string; current: boolean }[] }).tokens }
  }
  const { tokens = [] } = await list(token)
  t.same(tokens.map(({ current }) => current).sort(), [false, true])
  const other = tokens.find(({ current }) => !current)?.id ?? ''

  const foreign = await call('DELETE', `/tokens/${other}`, undefined, eve)
  t.strictSame(foreign, { status: 404, body: { error: 'Not found' } })
  const ended = await call('DELETE', `/tokens/${other}`, undefined, token)
  t.strictSame(ended, { status: 200, body: { msg: 'token revoked' } })
  t.equal((await list(admin)).status, 401, 'dead at once')
  t.equal((await list(token)).tokens?.length, 1)

  const all = await call('DELETE', '/tokens', undefined, token)
  t.strictSame(all, { status: 200, body: { msg: 'all tokens revoked' } })
  t.equal((await list(token)).status, 401)
  t.equal((await list(eve)).status, 200)
})

t.test('an administrator makes, grants, takes and deletes roles', async (t) => {
  const { call, people, sql } = await course(t)
  const { admin } = await people()
  const editors = () =>
    sql(`select u.username from user_roles join users u on u.id = user_id
    where role = 'editor'`)
  const role = { name: 'editor' }
  const asAdmin = (method: string, path: string, body?: object) => call(method, path, body, admin)
  const said = (msg: string) => ({ status: 200, body: { msg } })

  t.strictSame(await asAdmin('POST', '/roles', role), said('role created'))
  const again = await asAdmin('POST', '/roles', role)
  t.strictSame(again, { status: 400, body: { error: 'role already used' } })
  t.strictSame(await asAdmin('POST', '/users/eve/roles/editor'), said('role granted'))
  t.strictSame(await editors(), [{ username: 'eve' }])
  t.strictSame(await asAdmin('DELETE', '/users/eve/roles/editor'), said('role revoked'))
  t.strictSame(await editors(), [])
  await asAdmin('POST', '/users/eve/roles/editor')
  t.strictSame(await asAdmin('DELETE', '/roles/editor'), said('role deleted'))
  t.strictSame(await editors(), [])
  const none = { status: 404, body: { error: 'Not found' } }
  t.strictSame(await asAdmin('DELETE', '/roles/editor'), none)
  t.strictSame(await asAdmin('POST', '/users/nobody/roles/user'), none)
})

t.test('roles are for administrators, by Bearer only', async (t) => {
  const { origin, call, people, sql } = await course(t)
  const { admin, eve } = await people()
  const rolesBefore = await sql('select user_id, role from user_roles order by 1, 2')
  const requests: [string, string, object?][] = [
    ['POST', '/roles', { name: 'editor' }],
    ['DELETE', '/roles/user'],
    ['POST', '/users/eve/roles/admin'],
    ['DELETE', '/users/ada/roles/admin'],
  ]
  for (const [method, path, body] of requests) {
    const refused = await call(method, path, body, eve)
    t.strictSame(refused, { status: 403, body: { error: 'Not allowed' } }, `${method} ${path}`)
    const visitor = await call(method, path, body)
    t.strictSame(visitor, { status: 401, body: { error: 'Not logged in' } }, `${method} ${path}`)
  }
  const byCookie = await fetch(`${origin}/api/v1/tokens`, {
    headers: { cookie: `session=${admin}` },
  })
  t.equal(byCookie.status, 401)
  t.strictSame(await byCookie.json(), { error: 'Not logged in' })
  t.strictSame(await sql('select user_id, role from user_roles order by 1, 2'), rolesBefore)
  t.strictSame(await sql(`select name from roles order by 1`), [
    { name: 'admin' },
    { name: 'user' },
  ])
})
