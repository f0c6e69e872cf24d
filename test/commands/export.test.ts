import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createExportService } from '../../src/features/exports/service.js'
import { createStore } from '../../src/store.js'
import { keysSecret, logIn, signUp, testApp } from '../support/app.js'
import { temporaryFolder } from '../support/folder.js'
import { foreignHashes } from '../support/foreign-hashes.js'
import { commandsOn } from '../support/program.js'

const password = 'correct horse battery'
const original = (name: string) => foreignHashes.find((each) => each.name === name)?.hash ?? ''

async function place(t: Test) {
  const test = await testApp(t)
  const folder = await temporaryFolder(t)
  const path = (name: string) => join(folder, name)
  const write = async (name: string, text: string) => {
    await writeFile(path(name), text)
    return path(name)
  }
  return { ...test, run: commandsOn(test), path, write }
}

type Place = Awaited<ReturnType<typeof place>>

/** Users of every kind: with and without password, of other systems, with roles and identities. */
async function fill({ app, sql, run, path, write }: Place) {
  await sql(`insert into roles (name) values ('editor'), ('owner')`)
  await signUp(app, { email: 'Ada@example.org', username: 'ada', name: 'Ada "L"', password })
  await signUp(app, { mobile: '+49 151 1234567', password })
  await sql(`update users set email_verified_at = now(), proven_at = now() where username = 'ada'`)
  await sql(`update users set disabled_at = now() where mobile is not null`)
  await sql(
    `insert into identities (issuer, subject, user_id, email)
     select issuer, username || '-1', id, email from users,
       unnest('{https://accounts.example.org,https://github.com}'::text[]) as issuer
     where username = 'ada'`,
  )
  await sql(
    `insert into user_roles (user_id, role)
     select id, role from users, unnest('{admin,editor}'::text[]) as role where username = 'ada'`,
  )
  const names = [
    'werkzeug scrypt',
    'bcrypt $2b$',
    'argon2i',
    'werkzeug md5',
    'mkpasswd sha512crypt',
  ]
  const rows = names.map((name, at) => `old${at},"${original(name)}",2020-02-0${at + 1}`)
  const csv = await write(
    'users.csv',
    ['username,password,created_at', ...rows, 'none,,'].join('\n'),
  )
  const rejects = ['--rejects', path('rejects.csv')]
  await run(['import', csv, ...rejects])
  const keyed = await write(
    'keyed.csv',
    `username,password\nkeyed,${original('md5(password+key)')}`,
  )
  const options = ['--hash-format', 'md5(password+key)', '--salt-key-file']
  await run(['import', keyed, ...options, await write('key', `the app's SALT_KEY`), ...rejects])
}

t.test('an export that is imported elsewhere gives the same export', async (t) => {
  const first = await place(t)
  await fill(first)
  const passphrase = await first.write('passphrase', 'a passphrase of many words\n')
  const file = first.path('users.ndjson')
  const { out } = await first.run(['export', file, '--passphrase-file', passphrase])
  t.match(out, `9 users exported to ${file}`)
  t.equal((await stat(file)).mode & 0o777, 0o600)
  const text = await readFile(file, 'utf8')
  t.notMatch(text, 'SALT_KEY')
  t.match(text, '$wrapped$md5$f=hmac$', 'a wrapped hash names its scheme')

  const second = await place(t)
  const rejects = ['--rejects', second.path('rejects.csv')]
  t.match((await second.run(['import', file, ...rejects])).errors, /add --passphrase-file/)
  const other = await second.write('other', 'another passphrase of words')
  const wrong = ['--passphrase-file', other, ...rejects]
  t.match((await second.run(['import', file, ...wrong])).errors, /does not open the keys/)
  const right = ['--passphrase-file', passphrase, ...rejects]
  t.match((await second.run(['import', file, ...right])).out, /8 users imported[^]*1 row refused/)
  t.match(await readFile(second.path('rejects.csv'), 'utf8'), /add --allow-admin/)
  const { out: rest } = await second.run(['import', file, ...right, '--allow-admin'])
  t.match(rest, /1 user imported\n +8 users already exist/)

  await second.run(['export', second.path('again'), '--passphrase-file', passphrase])
  const again = await readFile(second.path('again'), 'utf8')
  const body = (lines: string) => lines.slice(lines.indexOf('\n'))
  t.equal(body(again), body(text), 'byte for byte')
  t.strictSame(JSON.parse(again.split('\n')[0] ?? '').roles, ['admin', 'editor', 'owner', 'user'])
  for (const username of ['ada', 'old0', 'old1', 'old2', 'old3', 'old4', 'keyed']) {
    await logIn(second.app, { username, password })
  }
})

t.test('without a passphrase the hashes that need a key are left out and counted', async (t) => {
  const test = await place(t)
  await fill(test)
  const { out } = await test.run(['export', test.path('users.ndjson')])
  t.match(out, /1 hashes left out, because they need a key: add --passphrase-file/)
  const [head = '', ...lines] = (await readFile(test.path('users.ndjson'), 'utf8'))
    .trim()
    .split('\n')
  t.strictSame(Object.keys(JSON.parse(head)), ['gatehouse_export', 'roles'])
  const users = lines.map((line) => JSON.parse(line))
  t.match(
    users.find(({ username }) => username === 'keyed'),
    { password_hash: null },
  )
})

t.test('a file that exists is not overwritten, and faults are sentences', async (t) => {
  const test = await place(t)
  const file = await test.write('users.ndjson', 'mine')
  t.match(await test.run(['export', file]), { code: 1, errors: /cannot be written: EEXIST/ })
  t.equal(await readFile(file, 'utf8'), 'mine')
  const short = await test.write('short', 'short')
  const refused = await test.run(['export', test.path('x'), '--passphrase-file', short])
  t.match(refused.errors, /must have at least 16 characters/)
})

t.test('an export is of one moment', async (t) => {
  const { sql, db } = await testApp(t)
  await sql(
    `insert into users (id, username, username_canonical)
     select gen_random_uuid(), 'user' || n, 'user' || n from generate_series(1, 1200) as n`,
  )
  const store = createStore(db, {
    denyFor: 1,
    idleTtl: 1,
    grace: 1,
    keysSecret,
    publicUrl: '',
    newId: () => '',
    onMessage: () => undefined,
    onDenied: () => undefined,
    onDoubt: () => undefined,
  })
  let lines = 0
  const totals = await createExportService({ store }).run({
    passphrase: undefined,
    write: async () => {
      lines += 1
      if (lines === 10) await sql('delete from users')
    },
  })
  t.equal(totals.users, 1_200)
  t.equal(lines, 1_201)
})

t.test('the schemes of passwords are counted, until the last has logged in', async (t) => {
  const test = await place(t)
  await fill(test)
  const { out } = await test.run(['users', 'stats', '--json'])
  const counts = JSON.parse(out) as { scheme: string; users: number }[]
  t.strictSame(
    counts.map(({ scheme, users }) => `${users} ${scheme.replace(/k=.*/, 'k)')}`).sort(),
    [
      '1 argon2i v=19 m=8192 t=2 p=2',
      '1 argon2id(bcrypt c=6 b=none)',
      '1 argon2id(crypt id=6 rounds=1000)',
      '1 argon2id(md5 f=hmac)',
      '1 argon2id(md5 f=password+key k)',
      '1 none',
      '1 scrypt ln=15 r=8 p=1 l=64',
      '2 argon2id',
    ],
  )
  await logIn(test.app, { username: 'old1', password })
  t.match((await test.run(['users', 'stats'])).out, /^users\tscheme\n3\targon2id\n/)
})
