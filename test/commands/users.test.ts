import t from 'tap'
import { ada, logIn, signUp, testApp } from '../support/app.js'
import { commandsOn } from '../support/program.js'

const refused = (errors: string) => ({ code: 1, out: '', errors })

t.test('a user is shown, for people and as JSON', async (t) => {
  const service = await testApp(t)
  const run = commandsOn(service)
  const { user } = await signUp(service.app)
  const { code, out } = await run(['users', 'show', 'ADA@example.org'])
  t.equal(code, 0)
  for (const line of ['state\tactive', `id\t${user.id}`, 'email\tada@example.org', 'roles\tuser']) {
    t.ok(out.split('\n').includes(line), line)
  }
  const json = JSON.parse((await run(['users', 'show', user.id, '--json'])).out)
  t.match(json, { id: user.id, email: 'ada@example.org', roles: ['user'], disabled_at: null })
  const nobody =
    'There is no user bob: USER is an id, an e-mail address, a username or a mobile number.'
  for (const verb of ['show', 'disable', 'enable', 'reset', 'roles', 'sessions']) {
    t.same(await run(['users', verb, 'bob']), refused(nobody), verb)
  }
  const id = '0192f3a4-5b6c-7d8e-9f01-23456789abcd'
  t.match(await run(['users', 'disable', id]), refused(`There is no user ${id}: USER is`))
})

t.test('a list is JSON of the same users, over several pages', async (t) => {
  const service = await testApp(t)
  const run = commandsOn(service)
  t.same(JSON.parse((await run(['users', 'list', '--json'])).out), [])
  await service.sql(`insert into users (id, username, username_canonical)
    select gen_random_uuid(), 'u' || n, 'u' || n from generate_series(1, 401) as n`)
  const users = JSON.parse((await run(['users', 'list', '--json'])).out) as { id: string }[]
  const lines = (await run(['users', 'list'])).out.split('\n').slice(1)
  t.same(
    users.map(({ id }) => id),
    lines.map((line) => line.split('\t')[0]),
  )
  t.equal(users.length, 401)
})

t.test('a deletion asks a person, and is refused without one', async (t) => {
  const service = await testApp(t)
  const run = commandsOn(service)
  const { user } = await signUp(service.app)
  const count = async () => (await service.sql('select from users')).length
  t.same(
    await run(['users', 'delete', ada.email]),
    refused(
      'This command asks for a confirmation on a terminal: add --yes to confirm without one.',
    ),
  )
  t.same(
    await run(['users', 'delete', ada.email], false),
    refused(`Delete ada@example.org (${user.id}) and all data of this user?\nNothing has changed.`),
  )
  t.equal(await count(), 1)
  t.match(await run(['users', 'delete', ada.email], true), { code: 0, out: `${user.id} deleted` })
  t.equal(await count(), 0)
  const second = await signUp(service.app)
  t.match(await run(['users', 'delete', second.user.id, '--yes']), { code: 0 })
  t.match(await run(['users', 'delete', second.user.id, '--yes']), refused('There is no user'))
})

t.test('a number that is a username and a mobile number is refused, naming both', async (t) => {
  const service = await testApp(t)
  const run = commandsOn(service)
  const number = '0612345678'
  const byName = await signUp(service.app, { username: number, password: ada.password })
  const byPhone = await signUp(service.app, { mobile: number, password: ada.password })
  for (const verb of ['disable', 'delete', 'show', 'reset', 'roles']) {
    t.same(
      await run(['users', verb, number], true),
      refused(
        `${number} is the username of ${byName.user.id} and the mobile number of ${byPhone.user.id}: ` +
          'use the id of the one you mean.',
      ),
    )
  }
  t.match(await run(['users', 'disable', byName.user.id]), { code: 0 })
  const both = { username: '0687654321', mobile: '0687654321', password: ada.password }
  const { user } = await signUp(service.app, both)
  t.match(await run(['users', 'disable', '0687654321']), { code: 0, out: `${user.id} disabled` })
})

t.test('a user is created with roles and gets an invitation', async (t) => {
  const service = await testApp(t)
  const run = commandsOn(service)
  await service.sql(`insert into roles values ('editor')`)
  const create = ['users', 'create', '--email', 'bob@example.org', '--name', 'Bob']
  const made = await run([...create, '--role', 'editor'])
  t.match(made, { code: 0, out: /^[0-9a-f-]{36} created: bob@example.org gets an invitation$/ })
  t.match(await service.sql('select message, address from outbox'), [
    { message: 'invitation', address: 'bob@example.org' },
  ])
  const shown = JSON.parse((await run(['users', 'show', 'bob@example.org', '--json'])).out)
  t.match(shown, { name: 'Bob', roles: ['editor', 'user'] })
  t.same(await run(create), refused('The e-mail address bob@example.org is already used.'))
  const cases: [string[], string][] = [
    [['--username', 'carol'], 'E-mail is required unless a mobile number is given.'],
    [['--email', 'carol'], 'E-mail must be an e-mail address.'],
    [
      ['--email', 'c@example.org', '--role', 'boss'],
      'There is no role boss: create it with POST /api/roles.',
    ],
    [
      ['--email', 'c@example.org', '--name', 'a\u202eb'],
      'Name must be one line of at most 200 characters.',
    ],
  ]
  for (const [options, errors] of cases) {
    t.same(await run(['users', 'create', ...options]), refused(errors))
  }
  t.equal((await service.sql('select from users')).length, 1)
})

t.test('roles are listed, granted and revoked', async (t) => {
  const service = await testApp(t)
  const run = commandsOn(service)
  await signUp(service.app)
  t.match(await run(['users', 'roles', ada.email]), { code: 0, out: 'user' })
  const granted = await run(['users', 'roles', ada.email, '--grant', 'admin', '--json'])
  t.same(JSON.parse(granted.out), ['admin', 'user'])
  const revoke = ['users', 'roles', ada.email, '--revoke']
  t.match(
    await run([...revoke, 'admin']),
    refused('At least one enabled administrator must remain.'),
  )
  t.same(await run([...revoke, 'boss']), refused('The user does not have the role boss.'))
  t.match(
    await run(['users', 'roles', ada.email, '--grant', 'boss']),
    refused('There is no role boss'),
  )
})

t.test('sessions are listed and ended', async (t) => {
  const service = await testApp(t)
  const run = commandsOn(service)
  await signUp(service.app)
  await service.app.inject({
    method: 'POST',
    url: '/api/login',
    payload: ada,
    headers: { 'user-agent': 'evil\tagent\u009b' },
  })
  const { out } = await run(['users', 'sessions', ada.email])
  const [head, first] = out.split('\n')
  t.equal(head, 'id\tcreated\tlast used\texpires\taddress\tuser agent')
  t.equal(first?.split('\t').length, 6)
  t.match(first, 'evil\\u0009agent\\u009b')
  const sessions = JSON.parse((await run(['users', 'sessions', ada.email, '--json'])).out)
  t.match(sessions, [{ address: '127.0.0.1' }, { address: '127.0.0.1' }])
  t.match(await run(['users', 'sessions', ada.email, '--end']), { out: '2 sessions ended' })
  t.match(await run(['users', 'sessions', ada.email, '--json']), { out: '[]' })
  await logIn(service.app)
})
