import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { bearer, keysSecret, logIn, signUp, testApp } from '../support/app.js'
import { gatehouse } from '../support/command-line.js'
import { queryAt, testDatabase } from '../support/database.js'

const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))
const password = 'correct horse battery'

t.test('of eight who make the same first administrator at once, one does', async (t) => {
  const url = await testDatabase(t, { empty: true })
  const tries = await Promise.all(
    Array.from({ length: 8 }, () =>
      gatehouse(url, ['create-admin', 'root', 'root@example.org', password]),
    ),
  )
  t.equal(tries.filter(({ code }) => code === 0).length, 1)
  for (const { errors } of tries.filter(({ code }) => code !== 0)) {
    t.match(errors, 'is already used')
  }
  t.same(await queryAt(url, `select count(*)::integer from user_roles where role = 'admin'`), [
    { count: 1 },
  ])
})

t.test('an administrator from the command line logs in and administers', async (t) => {
  const { app, url } = await testApp(t)
  const piped = await gatehouse(
    url,
    ['create-admin', 'root', 'root@example.org'],
    {},
    `${password}\n`,
  )
  t.match(piped, { code: 0, out: /^root is an administrator: [0-9a-f-]{36}\n$/, errors: '' })
  const { access_token } = await logIn(app, { username: 'root', password })
  const users = await app.inject({ url: '/api/users', headers: bearer(access_token) })
  t.equal(users.statusCode, 200)
  const weak = await gatehouse(url, ['create-admin', 'two', 'two@example.org', 'short'])
  t.match(weak, { code: 1, errors: 'Password must have at least 8 characters' })
  const none = await gatehouse(url, ['create-admin', 'root', 'root@example.org'])
  t.match(none, { code: 1, errors: 'No password was given' })
})

t.test(
  'users are listed, disabled, enabled, reset and deleted by any name of theirs',
  async (t) => {
    const { app, url } = await testApp(t)
    const { access_token, user } = await signUp(app, { email: 'ada@example.org', password })
    const listed = await gatehouse(url, ['users', 'list', '--search', 'ADA@'])
    t.same(listed.out.split('\n')[1]?.split('\t').slice(1, 6), [
      '',
      'ada@example.org',
      '',
      'active',
      'user',
    ])
    const isDisabled = async () => {
      const rows = await queryAt<{ is: boolean }>(
        url,
        'select disabled_at is not null as is from users',
      )
      return rows[0]?.is
    }
    t.match(await gatehouse(url, ['users', 'disable', 'ADA@example.org']), { code: 0 })
    t.equal(await isDisabled(), true)
    const refused = await app.inject({ url: '/api/user', headers: bearer(access_token) })
    t.equal(refused.statusCode, 401)
    t.match(await gatehouse(url, ['users', 'enable', user.id]), { code: 0 })
    t.equal(await isDisabled(), false)
    t.match(await gatehouse(url, ['users', 'reset', 'ada@example.org']), { code: 0 })
    const login = { email: 'ada@example.org', password }
    const old = await app.inject({ method: 'POST', url: '/api/login', payload: login })
    t.equal(old.statusCode, 401)
    t.match(await queryAt(url, 'select message from outbox'), [{ message: 'choose_password' }])
    t.match(await gatehouse(url, ['users', 'delete', 'ada@example.org']), {
      code: 1,
      errors: 'add --yes to confirm',
    })
    t.equal(await isDisabled(), false)
    t.match(await gatehouse(url, ['users', 'delete', 'ada@example.org', '--yes']), { code: 0 })
    t.equal(await isDisabled(), undefined)
    t.match(await gatehouse(url, ['users', 'delete', 'ada@example.org', '--yes']), {
      code: 1,
      errors: 'There is no user ada@example.org',
    })
  },
)

t.test('a person at a terminal is asked before a deletion', async (t) => {
  const { app, url, sql } = await testApp(t)
  await signUp(app)
  const env = {
    PATH: process.env.PATH,
    SHELL: '/bin/sh',
    DATABASE_URL: url,
    KEYS_SECRET: keysSecret,
  }
  const command = `exec ${process.execPath} ${cli} users delete ada@example.org`
  const run = async (answer: string) => {
    const options = ['--quiet', '--return', '--command', command, '/dev/null']
    const child = spawn('script', options, { env, cwd: tmpdir() })
    let output = ''
    let isAnswered = false
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      if (!isAnswered && output.includes('[y/N]')) isAnswered = child.stdin.write(answer)
    })
    const [code] = (await once(child, 'close')) as [number]
    return { code, output }
  }
  t.match(await run('n\n'), {
    code: 1,
    output: /and all data of this user\?.*Nothing has changed\./s,
  })
  t.equal((await sql('select from users')).length, 1)
  t.match(await run('y\n'), { code: 0, output: / deleted/ })
  t.equal((await sql('select from users')).length, 0)
})

t.test('the last administrator is kept', async (t) => {
  const url = await testDatabase(t)
  await gatehouse(url, ['create-admin', 'root', 'root@example.org', password])
  for (const verb of ['disable', 'delete']) {
    const yes = verb === 'delete' ? ['--yes'] : []
    t.match(await gatehouse(url, ['users', verb, 'root', ...yes]), {
      code: 1,
      errors: 'administrator',
    })
  }
})

t.test('reset-db needs --yes, and is refused in production', async (t) => {
  const { app, url } = await testApp(t)
  await signUp(app)
  const production = { NODE_ENV: 'production', RATE_LIMIT: 'on' }
  t.match(await gatehouse(url, ['reset-db']), { code: 1, errors: 'add --yes' })
  t.match(await gatehouse(url, ['reset-db', '--yes'], production), {
    code: 1,
    errors: 'not allowed in production',
  })
  t.equal((await queryAt(url, 'select from users')).length, 1)
  t.match(await gatehouse(url, ['reset-db', '--yes']), { code: 0 })
  t.equal((await queryAt(url, 'select from users')).length, 0)
  t.equal((await queryAt(url, 'select from roles')).length, 2)
})

t.test('prune says how many rows went', async (t) => {
  const { url, sql } = await testApp(t)
  await sql(`insert into token_denylist select gen_random_uuid(), now() - interval '11 minutes'
    from generate_series(1, 2500)`)
  t.match(await gatehouse(url, ['prune']), { code: 0, out: '2500 rows removed' })
})

t.test('doctor tells what is wrong, changes nothing, and shows no secret', async (t) => {
  const { url } = await testApp(t)
  t.match(await gatehouse(url, ['doctor']), { code: 0, out: /ok +PostgreSQL: 1\d/ })
  const other = await gatehouse(url, ['doctor'], { KEYS_SECRET: `${keysSecret}-another` })
  t.match(other, { code: 1, out: 'was sealed with another KEYS_SECRET' })
  t.notMatch(other.out + other.errors, keysSecret)
  const http = await gatehouse(url, ['doctor'], { PUBLIC_URL: 'http://auth.example.org' })
  t.match(http, { code: 0, out: /^note .*PUBLIC_URL=http:\/\/auth.example.org is not https/m })
  const mail = await gatehouse(url, ['doctor'], { MAIL_URL: 'smtp://u:hunter2@127.0.0.1:1' })
  t.match(mail, { code: 1, out: /^FAULT MAIL_URL: .*127\.0\.0\.1:1 .*ECONNREFUSED/m })
  t.match(mail, { out: /^ok +signing keys: /m })
  t.notMatch(mail.out + mail.errors, 'hunter2')
  const empty = await testDatabase(t, { empty: true })
  t.match(await gatehouse(empty, ['doctor']), { code: 1 })
  t.same(await queryAt(empty, `select to_regclass('users') as users`), [{ users: null }])
})

t.test('doctor says once that the database is down, and checks the rest', async (t) => {
  const sms = { SMS_WEBHOOK_URL: 'http://127.0.0.1:2/x', SMS_WEBHOOK_SECRET: `${keysSecret}-sms` }
  const { code, out, errors } = await gatehouse(
    'postgres://ada:hunter2@127.0.0.1:1/gate',
    ['doctor'],
    sms,
  )
  t.same({ code, errors }, { code: 1, errors: '' })
  const faults = out.split('\n').filter((line) => line.startsWith('FAULT'))
  t.equal(faults.length, 2, out)
  t.equal(
    faults[0],
    'FAULT PostgreSQL: PostgreSQL does not answer at 127.0.0.1:1 (ECONNREFUSED): start it, or correct host and port in DATABASE_URL',
  )
  t.match(
    faults[1],
    /^FAULT SMS_WEBHOOK_URL: the webhook at 127\.0\.0\.1:2 .*correct SMS_WEBHOOK_URL$/,
  )
  t.match(
    out,
    'note  not checked: schema, clock, signing keys, outbox, administrators: they need a database',
  )
  t.match(out, /^ok +MAIL_URL: /m)
  t.notMatch(out, 'hunter2')
})

t.test('calibrate suggests what it measured', async (t) => {
  const { code, out } = await gatehouse('', ['calibrate', '--target', '1'])
  t.equal(code, 0)
  t.match(out, /ARGON2_MEMORY=19456 ARGON2_ITERATIONS=2\n$/, 'never below the default')
})

t.test('what is not a command, or a configuration, exits with 1', async (t) => {
  t.match(await gatehouse('', ['--version']), { code: 0, out: /^\d+\.\d+\.\d+\n$/, errors: '' })
  t.match(await gatehouse('', ['frobnicate']), { code: 1, errors: 'unknown command' })
  t.match(await gatehouse('mysql://x', ['prune']), { code: 1, errors: 'DATABASE_URL' })
})

t.test('a reader that leaves ends a command quietly; a full disk is said in a line', async (t) => {
  const url = await testDatabase(t)
  const run = (redirect: string) =>
    new Promise<{ code: number | null; errors: string }>((resolve) => {
      const script = `${process.execPath} ${cli} users list ${redirect}`
      const env = {
        HOME: '/nonexistent',
        PATH: process.env.PATH,
        DATABASE_URL: url,
        KEYS_SECRET: keysSecret,
      }
      const child = spawn('bash', ['--norc', '-c', `set -o pipefail; ${script}`], { env })
      let errors = ''
      child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
      child.on('close', (code) => resolve({ code, errors }))
    })
  t.same(await run('| true'), { code: 141, errors: '' })
  t.match(await run('>/dev/full'), { code: 1, errors: /^stdout cannot be written: ENOSPC.*\n$/ })
})
