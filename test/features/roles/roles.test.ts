import t, { type Test } from 'tap'
import { testApp } from '../../support/app.js'
import { clientOf, createAdmin, createClient, refreshed } from '../../support/http/client.js'

async function service(t: Test) {
  const test = await testApp(t)
  const admin = await createAdmin(test)
  const user = await createClient(test)
  const rolesOf = async (id: string) => {
    const { body } = await admin.send('GET', `/api/users/${id}`)
    return (body.user as { roles: string[] }).roles
  }
  return { ...test, admin, user, rolesOf }
}

/** The roles that an access token names. */
const rolesIn = (token: string) =>
  (
    JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
      roles: string[]
    }
  ).roles

t.test('a role is made once, and counts who has it', async (t) => {
  const { admin, user } = await service(t)
  const { status, body } = await admin.send('POST', '/api/roles', { name: 'editor' })
  t.match({ status, role: body.role }, { status: 201, role: { name: 'editor', users: 0 } })
  const again = await admin.send('POST', '/api/roles', { name: 'editor' })
  t.match(again, { status: 409, code: 'role_taken', body: { errors: [{ field: 'name' }] } })
  await admin.send('POST', `/api/users/${user.id}/roles/editor`)
  const { body: list } = await admin.send('GET', '/api/roles')
  t.match(list.roles, [
    { name: 'admin', users: 1 },
    { name: 'editor', users: 1 },
    { name: 'user', users: 2 },
  ])
})

t.test('two who make the same role at once make one', async (t) => {
  const { admin } = await service(t)
  const make = () => admin.send('POST', '/api/roles', { name: 'editor' })
  const replies = await Promise.all([make(), make(), make()])
  t.strictSame(replies.map(({ status }) => status).sort(), [201, 409, 409])
})

t.test('the name of a role is a plain word', async (t) => {
  const { admin, user } = await service(t)
  const longest = 'a'.repeat(63)
  for (const name of ['a', longest, 'a-b_c0', 'null', 'constructor']) {
    t.equal((await admin.send('POST', '/api/roles', { name })).status, 201, name)
  }
  const bad = [
    '',
    'Admin',
    'ADMIN',
    '0a',
    '_a',
    '-a',
    'a b',
    'a\n',
    'é',
    'a.b',
    'a/b',
    `${longest}a`,
  ]
  for (const name of bad) {
    const reply = await admin.send('POST', '/api/roles', { name })
    t.match(reply, { code: 'validation_failed', body: { errors: [{ field: 'name' }] } }, name)
    if (name === '') continue
    const url = `/api/users/${user.id}/roles/${encodeURIComponent(name)}`
    t.match(await admin.send('POST', url), { code: 'validation_failed' }, name)
  }
})

t.test('a role that is deleted is taken from all; those that are built in stay', async (t) => {
  const { admin, user, rolesOf, app } = await service(t)
  await admin.send('POST', '/api/roles', { name: 'editor' })
  await admin.send('POST', `/api/users/${user.id}/roles/editor`)
  const holder = clientOf(app, user.account, await refreshed({ app }, user))
  t.equal((await admin.send('DELETE', '/api/roles/editor')).status, 200)
  t.strictSame(await rolesOf(user.id), ['user'])
  t.match(await holder.send('GET', '/api/user'), { status: 401, code: 'token_stale' })
  t.equal((await admin.send('GET', '/api/user')).status, 200, 'who had not got it notices nothing')
  t.match(await admin.send('DELETE', '/api/roles/editor'), { status: 404, code: 'not_found' })
  for (const name of ['admin', 'user']) {
    const reply = await admin.send('DELETE', `/api/roles/${name}`)
    t.match(reply, { status: 409, code: 'built_in_role' }, name)
  }
})

t.test('a grant makes the token stale, and one refresh heals it with the new roles', async (t) => {
  const { admin, user, app } = await service(t)
  await admin.send('POST', '/api/roles', { name: 'editor' })
  const other = await createClient({ app })
  const steps: ['POST' | 'DELETE', string, string[]][] = [
    ['POST', 'editor', ['editor', 'user']],
    ['DELETE', 'user', ['editor']],
    ['DELETE', 'editor', []],
  ]
  let present = user
  for (const [method, name, roles] of steps) {
    const { status } = await admin.send(method, `/api/users/${user.id}/roles/${name}`)
    t.equal(status, 200, `${method} ${name}`)
    const stale = await present.send('GET', '/api/user')
    t.match(stale, { status: 401, code: 'token_stale' }, `${method} ${name}`)
    const login = await refreshed({ app }, present)
    t.strictSame(rolesIn(login.access_token), roles, 'the token says it')
    present = clientOf(app, user.account, login)
    const { status: healed, body } = await present.send('GET', '/api/user')
    t.match({ healed, user: body.user }, { healed: 200, user: { roles } })
  }
  t.equal((await other.send('GET', '/api/user')).status, 200, 'nobody else’s is')
})

t.test('a grant of admin opens what only an administrator may do', async (t) => {
  const { admin, user, app } = await service(t)
  t.match(await user.send('GET', '/api/users'), { status: 403, code: 'forbidden' })
  await admin.send('POST', `/api/users/${user.id}/roles/admin`)
  t.equal((await user.send('GET', '/api/users')).code, 'token_stale')
  const promoted = clientOf(app, user.account, await refreshed({ app }, user))
  t.equal((await promoted.send('GET', '/api/users')).status, 200)
})

t.test('what changes nothing makes no token stale', async (t) => {
  const { admin, user } = await service(t)
  t.equal((await admin.send('POST', `/api/users/${user.id}/roles/user`)).status, 200)
  t.match(await admin.send('DELETE', `/api/users/${user.id}/roles/admin`), { status: 404 })
  t.match(await admin.send('POST', `/api/users/${user.id}/roles/nobody`), { status: 404 })
  t.equal((await user.send('GET', '/api/user')).status, 200)
})
