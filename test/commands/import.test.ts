import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import initSqlJs from 'sql.js'
import t, { type Test } from 'tap'
import { logIn, signUp, testApp, type TestApp } from '../support/app.js'
import { queryAt, testDatabase } from '../support/database.js'
import { temporaryFolder } from '../support/folder.js'
import { foreignHashes } from '../support/foreign-hashes.js'
import { picture } from '../support/pictures.js'
import { commandsOn } from '../support/program.js'

const password = 'correct horse battery'
const original = (name: string) => foreignHashes.find((each) => each.name === name)?.hash ?? ''

type Place = TestApp & {
  run: (...args: string[]) => Promise<{ code: number; out: string; errors: string }>
  file: (name: string, text: string | Uint8Array) => Promise<string>
  rejects: () => Promise<string>
}

async function place(t: Test, env: Record<string, string> = {}): Promise<Place> {
  const test = await testApp(t, { env })
  const folder = await temporaryFolder(t)
  const rejects = join(folder, 'rejects.csv')
  const commands = commandsOn(test)
  return {
    ...test,
    run: (...args) => commands(['import', ...args, '--rejects', rejects]),
    async file(name, text) {
      await writeFile(join(folder, name), text)
      return join(folder, name)
    },
    rejects: async () => {
      t.equal((await stat(rejects)).mode & 0o777, 0o600)
      return readFile(rejects, 'utf8')
    },
  }
}

const users = ({ sql }: TestApp) =>
  sql(`select username, email, mobile, name, created_at, activated_at, disabled_at, password_hash,
    email_verified_at, array(select role from user_roles where user_id = id order by role) as roles
    from users order by coalesce(email, username, mobile)`)

t.test('users of a CSV file log in with their old passwords', async (t) => {
  const test = await place(t)
  const path = await test.file(
    'users.csv',
    '\u{feff}id;Email;username;Phone;password;created_at;is_active;likes\r\n' +
      `1;Ada@Example.org;ada;+49 151 123456;${original('werkzeug scrypt')};2020-01-31 12:00:00;1;tea\r\n` +
      `2;bob@example.org;;;${original('werkzeug sha1')};2021-01-31T12:00:00+02:00;True;"a;b"\r\n` +
      `3;off@example.org;;;${original('bcrypt $2b$')};1700000000;0;\r\n` +
      `4;new@example.org;;;;;1;\r\n`,
  )
  const { code, out } = await test.run(path)
  t.equal(code, 0)
  t.match(out, / {2}mobile +from Phone/)
  t.match(out, / {2}not imported +likes/)
  t.match(out, /4 users imported/)
  t.match(out, /1 without a password/)
  t.match(out, /1 hash argon2id\(sha1 f=hmac\)/)
  const [ada, bob, none, off] = await users(test)
  t.match(ada, {
    email: 'Ada@Example.org',
    username: 'ada',
    mobile: '+49 151 123456',
    created_at: new Date('2020-01-31T12:00:00Z'),
    activated_at: new Date('2020-01-31T12:00:00Z'),
    disabled_at: null,
    email_verified_at: null,
    roles: ['user'],
  })
  t.match(bob, { created_at: new Date('2021-01-31T10:00:00Z'), password_hash: /^\$wrapped\$sha1/ })
  t.match(none, { password_hash: null })
  t.match(off, { disabled_at: Date })
  for (const email of ['ada@example.org', 'bob@example.org']) {
    await logIn(test.app, { email, password })
  }
  await t.rejects(logIn(test.app, { email: 'off@example.org', password }), /invalid_credentials/)
  t.match((await users(test)).slice(0, 2), [
    { password_hash: /^\$argon2id\$/ },
    { password_hash: /^\$argon2id\$/ },
  ])
  t.strictSame(await test.sql('select from outbox'), [], 'nobody gets a message')
})

t.test('an existing user is never changed, and a second run imports the rest', async (t) => {
  const test = await place(t)
  await signUp(test.app, { email: 'ada@example.org', password: 'another old password' })
  await test.app.inject({
    method: 'POST',
    url: '/api/register',
    payload: { username: 'bob', password },
  })
  const before = await users(test)
  const rows = [
    `ADA@example.org,,${original('werkzeug scrypt')}`,
    `new@example.org,Bob,${original('werkzeug scrypt')}`,
    `eve@example.org,,${original('werkzeug scrypt')}`,
    `EVE@example.org,,${original('bcrypt $2b$')}`,
  ]
  const path = await test.file('users.csv', ['email,username,password', ...rows].join('\n'))
  t.match((await test.run(path)).out, /1 user imported[^]*3 rows refused/)
  const rejects = await test.rejects()
  t.match(rejects, /2,ADA@example.org,Another user has the e-mail address ADA@example.org\./)
  t.match(rejects, /3,new@example.org,Another user has the username Bob\./)
  t.match(rejects, /5,EVE@example.org,An earlier row is the same user\./)
  t.strictSame(
    (await users(test)).filter(({ email }) => email !== 'eve@example.org'),
    before,
    'nothing of the others has changed',
  )
  const longer = await test.file(
    'users.csv',
    ['email,username,password', rows[2], 'last@example.org,,'].join('\n'),
  )
  t.match((await test.run(longer)).out, /1 user imported\n +1 user already exists/)
  t.equal((await users(test)).length, 4)
})

t.test('a run that refuses nothing leaves no report of an earlier one', async (t) => {
  const test = await place(t)
  const bad = await test.file('bad.csv', 'email,username\nada@example.org,ada\nno address,bob\n')
  t.equal((await test.run(bad, '--dry-run')).code, 2)
  t.equal((await test.run(bad)).code, 2, 'users are missing')
  t.match(await test.rejects(), /3,/)
  const good = await test.file('good.csv', 'email,username\nada@example.org,ada\n')
  t.equal((await test.run(good)).code, 0)
  await t.rejects(test.rejects(), { code: 'ENOENT' })
})

t.test('the report never replaces another file', async (t) => {
  const test = await place(t)
  const source = await test.file('users.csv', 'email,username\nada@example.org,ada\nno,bob\n')
  const { code, errors } = await commandsOn(test)(['import', source, '--rejects', source])
  t.equal(code, 1)
  t.match(errors, /users.csv is not the report of an import: name another file with --rejects/)
  t.equal((await test.sql('select from users')).length, 0)
})

t.test('ids of the source stay, and another user with one is named', async (t) => {
  const test = await place(t)
  const id = '7f1c0d2b-3a49-4867-9685-9403f2e1d0cb'
  const path = await test.file(
    'users.ndjson',
    [
      { id: id.toUpperCase(), username: 'ada' },
      { id: id.replaceAll('-', ''), username: 'eve' },
      { id: 12, username: 'bob', createdAt: 1_700_000_000_000 },
    ]
      .map((row) => JSON.stringify(row))
      .join('\n'),
  )
  t.match((await test.run(path)).out, /2 users imported/)
  t.match(await test.rejects(), `The id ${id} belongs to a user with other identifiers.`)
  const rows = await test.sql<{ id: string }>('select id from users order by username')
  t.equal(rows[0]?.id, id)
  t.match(rows[1]?.id, /^018bcfe5-6800-7/, 'a new id begins with the time')
})

t.test(
  'the names that the old app may put into tokens are kept, but not those of an export',
  async (t) => {
    const test = await place(t)
    const path = await test.file('users.csv', 'id,email,username\nX12,Ada@example.org,\n,,bob\n')
    await test.run(path)
    const names = async () =>
      (await test.sql<{ name: string }>('select name from imported_names order by name')).map(
        ({ name }) => name,
      )
    t.strictSame(await names(), ['email:ada@example.org', 'id:x12', 'username:bob'])
    const copy = await place(t)
    const file = join(await temporaryFolder(t), 'users.ndjson')
    await commandsOn(test)(['export', file])
    t.match((await copy.run(file)).out, /2 users imported/)
    t.equal((await copy.sql('select from imported_names')).length, 0)
  },
)

t.test('pictures of a folder come along, and no file elsewhere', async (t) => {
  const test = await place(t)
  const folder = join(await temporaryFolder(t), 'in')
  await mkdir(folder)
  const png = await picture('png')
  await writeFile(join(folder, 'ada.png'), png)
  await writeFile(join(folder, 'eve.png'), 'no picture')
  await symlink(join(folder, 'ada.png'), join(folder, 'link.png'))
  await writeFile(join(folder, '..', 'outside.png'), png)
  const names = ['/static/ada.png', 'eve.png', '../outside.png', 'link.png', 'gone.png', '..', '']
  const rows = names.map((name, at) => `user${at},${name}`)
  const path = await test.file('users.csv', ['username,picture', ...rows].join('\n'))
  const { code, out } = await test.run(path, '--pictures', folder)
  t.equal(code, 0)
  t.match(out, /7 users imported\n.*\n +5 pictures cannot be read/)
  t.match(await test.rejects(), /3,user1,"The user was imported without the picture/)
  const stored = await test.sql(
    'select username from pictures join users on users.id = user_id order by 1',
  )
  t.strictSame(stored, [{ username: 'user0' }])
  const second = await test.run(path, '--pictures', folder)
  t.match(second.out, /7 users already exist/)
  t.match((await test.run(path, '--pictures', join(folder, 'no'))).errors, /is not a folder/)
})

t.test('a username may be the word null', async (t) => {
  const test = await place(t)
  await signUp(test.app, { email: 'ada@example.org', password })
  const path = await test.file('users.csv', 'email,username\nada@example.org,\n,null\n')
  const { out } = await test.run(path)
  t.match(out, /1 user imported/)
  t.match(await users(test), [{ email: 'ada@example.org' }, { username: 'null' }])
})

t.test('roles and verified addresses come by an explicit map alone', async (t) => {
  const test = await place(t)
  await test.sql(`insert into roles (name) values ('editor')`)
  const text =
    'username,email,email_verified,roles,is_admin\n' +
    'ada,ada@example.org,1,"editor, user",0\n' +
    'eve,eve@example.org,0,,1\n' +
    'bob,bob@example.org,0,owner,0\n'
  const path = await test.file('users.csv', text)
  await test.run(path)
  t.match(await users(test), [
    { roles: ['user'], email_verified_at: null },
    { roles: ['user'] },
    { roles: ['user'] },
  ])
  await test.sql('delete from users')
  const map = ['roles=roles', 'admin=is_admin', 'email_verified=email_verified']
  const mapped = [path, ...map.flatMap((each) => ['--map', each])]
  t.match((await test.run(...mapped)).out, /1 user imported/)
  t.match(await test.rejects(), /3,[^,]+,The row asks for the role admin: add --allow-admin/)
  t.match(await test.rejects(), /4,[^,]+,There is no role owner/)
  await test.run(...mapped, '--allow-admin')
  t.match(await users(test), [
    { username: 'ada', roles: ['editor', 'user'], email_verified_at: Date },
    { username: 'eve', roles: ['admin', 'user'], email_verified_at: null },
  ])
})

t.test('the key of a Flask app is sealed, and used again by a second run', async (t) => {
  const test = await place(t)
  const { hash } = foreignHashes.find(({ name }) => name === 'md5(password+key)') ?? { hash: '' }
  const path = await test.file('users.csv', `username,password\nada,${hash}\n`)
  const key = await test.file('key', `the app's SALT_KEY\n`)
  const options = ['--hash-format', 'md5(password+key)', '--salt-key-file', key]
  t.match((await test.run(path, ...options)).out, /1 hash argon2id\(md5 f=password\+key/)
  const [row] = await test.sql<{ sealed_key: Buffer }>('select sealed_key from import_keys')
  t.notOk(row?.sealed_key.includes('SALT_KEY'))
  await test.run(await test.file('more.csv', `username,password\neve,${hash}\n`), ...options)
  t.equal((await test.sql('select from import_keys')).length, 1)
  await logIn(test.app, { username: 'ada', password })
  await logIn(test.app, { username: 'eve', password })
})

t.test('the hashes of Firebase need its signer key', async (t) => {
  const test = await place(t)
  const parameters = {
    base64_signer_key:
      'ou9tdYTGyYm8kuR6Dt0Bp0kDuAYoXrK16mbZO4yGwAn3oLspjnN0/c41v8xZnO1n14J3MjKj1b2g6AUCAlFwMw==',
    base64_salt_separator: 'Bw==',
    rounds: 8,
    mem_cost: 14,
  }
  const user = {
    localId: 'x1',
    email: 'ada@example.org',
    passwordHash:
      'zKVTMvnWVw5BBOZNUdnsalx4c4c7y/w7IS5p6Ut2+CfEFFlz37J9huyQfov4iizN8dbjvEJlM5tQaJP84+hfTw==',
    salt: 'C0sHCg9ek77hsg==',
    createdAt: '1700000000000',
  }
  const path = await test.file('users.ndjson', JSON.stringify(user))
  const file = await test.file('firebase.json', JSON.stringify(parameters))
  t.match((await test.run(path, '--hash-format', 'firebase')).errors, /needs --salt-key-file/)
  await test.run(path, '--hash-format', 'firebase', '--salt-key-file', file)
  await t.rejects(logIn(test.app, { email: user.email, password }))
  await logIn(test.app, { email: user.email, password: 'mytestpassword' })
  t.match(await users(test), [{ password_hash: /^\$argon2id\$/ }])
})

t.test('the hashes of Firebase in a table of GoTrue bring their signer key', async (t) => {
  const test = await place(t)
  const key =
    'ou9tdYTGyYm8kuR6Dt0Bp0kDuAYoXrK16mbZO4yGwAn3oLspjnN0/c41v8xZnO1n14J3MjKj1b2g6AUCAlFwMw=='
  const digest =
    'zKVTMvnWVw5BBOZNUdnsalx4c4c7y/w7IS5p6Ut2+CfEFFlz37J9huyQfov4iizN8dbjvEJlM5tQaJP84+hfTw=='
  const hash = (costs: string) => `$fbscrypt$${costs},ss=Bw==,sk=${key}$C0sHCg9ek77hsg==$${digest}`
  const row = (email: string, costs: string) =>
    JSON.stringify({ email: `${email}@example.org`, encrypted_password: hash(costs) })
  const rows = [
    row('ada', 'v=1,n=14,r=8,p=1'),
    row('bob', 'v=1,n=14,r=8,p=1'),
    row('bomb', 'v=1,n=30,r=8,p=1'),
    row('wide', 'v=1,n=14,r=8,p=2'),
    row('next', 'v=2,n=14,r=8,p=1'),
  ]
  const path = await test.file('users.ndjson', rows.join('\n'))
  t.match((await test.run(path, '--dry-run')).out, /2 users would be imported/)
  t.strictSame(await test.sql('select from import_keys'), [])
  await test.run(path)
  t.match(await test.rejects(), /3,bomb[^]*costs too much[^]*4,wide[^]*p=1[^]*5,next[^]*is not/)
  const keys = await test.sql<{ sealed_key: Buffer }>('select sealed_key from import_keys')
  t.equal(keys.length, 1)
  t.notMatch(JSON.stringify(await users(test)), key, 'the hash is stored without the key')
  await t.rejects(logIn(test.app, { email: 'ada@example.org', password }))
  await logIn(test.app, { email: 'ada@example.org', password: 'mytestpassword' })
})

t.test('the report names refused rows in the order of the file', async (t) => {
  const test = await place(t)
  // The second row is refused later than the third, by the database.
  const path = await test.file('users.csv', `username,password\nada,\nADA,\neve,x:y\nx y,\n`)
  await test.run(path)
  const places = [...(await test.rejects()).matchAll(/^(\d+),/gm)].map(([, place]) => Number(place))
  t.strictSame(places, [3, 4, 5])
})

t.test(
  'plain passwords are hashed, and only if the operator says that they are plain',
  async (t) => {
    const test = await place(t)
    const path = await test.file('users.csv', `username,password\nada,${password}\n`)
    await test.run(path)
    t.match(await test.rejects(), /The password hash has an unknown format/)
    t.notMatch(await test.rejects(), password, 'the report has no password')
    await test.run(path, '--hash-format', 'plain')
    t.match(await users(test), [{ password_hash: /^\$argon2id\$/ }])
    await logIn(test.app, { username: 'ada', password })
  },
)

t.test('an import into a table that was empty tells the planner how large it is', async (t) => {
  const test = await place(t)
  await test.sql('vacuum analyze users')
  const names = Array.from({ length: 1_200 }, (_, at) => `user${at}`)
  await test.run(await test.file('users.csv', ['username', ...names].join('\n')))
  const [table] = await test.sql(`select reltuples from pg_class where oid = 'users'::regclass`)
  t.equal(table?.reltuples, 1_200)
})

t.test('a dry run stores nothing', async (t) => {
  const test = await place(t)
  const path = await test.file('users.csv', `username,password\nada,\neve,x:y\n`)
  const { out } = await test.run(path, '--dry-run')
  t.match(out, /1 user would be imported\n +1 row refused[^]*Nothing was stored/)
  for (const table of ['users', 'import_keys', 'audit_log']) {
    t.strictSame(await test.sql(`select from ${table}`), [], table)
  }
})

t.test('the SQLite file of a Flask app is read as it is', async (t) => {
  const test = await place(t)
  const { Database } = await initSqlJs()
  const database = new Database()
  database.run(`create table role (id integer primary key, name text);
    create table users (id integer primary key, username varchar, email varchar, password_hash varchar,
      created_at datetime, confirmed boolean);
    insert into users values (1, 'ada', 'ada@example.org', '${original('werkzeug pbkdf2:sha256')}',
      '2022-03-04 05:06:07.000089', 1), (2, 'eve', 'eve@example.org', null, null, 0)`)
  const path = await test.file('app.db', database.export())
  const { out } = await test.run(path)
  t.match(out, /Source: table "users" of app.db/)
  t.match(out, /2 users imported/)
  t.match(await users(test), [
    { username: 'ada', created_at: new Date('2022-03-04T05:06:07Z'), activated_at: Date },
    { username: 'eve', activated_at: null },
  ])
  await logIn(test.app, { username: 'ada', password })
  t.match((await test.run(path, '--table', 'members')).errors, /app.db has: role, users/)
  const query = `select 'q' || username as username, email as mail from users`
  t.match((await test.run(path, '--query', query, '--map', 'email=')).out, /2 users imported/)
  await test.file('app.db-wal', 'changes')
  t.match((await test.run(path)).errors, /app.db is in use: app.db-wal has changes/)
})

t.test('a table of another PostgreSQL database is read in one snapshot', async (t) => {
  const test = await place(t)
  const url = await testDatabase(t, { empty: true })
  await queryAt(
    url,
    `create schema auth;
     create table auth.users (id uuid, email text, encrypted_password text, created_at timestamptz,
       is_super_admin boolean, roles text[]);
     insert into auth.users select gen_random_uuid(), 'user' || n || '@example.org',
       '${original('bcrypt $2a$')}', '2023-01-01T00:00:00Z', false, '{editor}'
     from generate_series(1, 2500) as n`,
  )
  await test.sql(`insert into roles (name) values ('editor')`)
  const { out, errors } = await test.run(url, '--map', 'roles=roles')
  t.match(out, /2500 users imported/, errors)
  await logIn(test.app, { email: 'user2500@example.org', password })
  t.strictSame((await users(test))[0]?.roles, ['editor', 'user'])
  t.match((await test.run(url, '--table', 'users')).errors, /The database has: auth.users/)
  t.match((await test.run(url, '--query', 'delete from auth.users')).errors, /cannot be read/)
})

t.test('options that fit nothing are refused before anything is read', async (t) => {
  const test = await place(t)
  const path = await test.file('users.csv', 'who,pass\nada,x\n')
  const cases: [string[], RegExp][] = [
    [[path], /No column is an e-mail address.+The columns are: who, pass/],
    [[path, '--map', 'username=name'], /There is no column name/],
    [[path, '--map', 'nick=who'], /is not FIELD=COLUMN/],
    [[path, '--map', 'username=who', '--hash-format', 'md4'], /Unknown --hash-format md4/],
    [
      [path, '--map', 'username=who', '--hash-format', 'md5(key+password)'],
      /needs --salt-key-file/,
    ],
    [[path, '--table', 'users'], /are for databases and SQLite files/],
    [['/nowhere/users.csv'], /cannot be read: ENOENT/],
    [['https://example.org/users'], /SOURCE is a file/],
    [['postgres://127.0.0.1:1/none'], /The source database cannot be read: connect ECONNREFUSED/],
  ]
  for (const [args, message] of cases) {
    const { code, errors } = await test.run(...args)
    t.equal(code, 1)
    t.match(errors, message)
  }
})
