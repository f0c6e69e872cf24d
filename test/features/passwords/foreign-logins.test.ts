import { hash } from 'argon2'
import { createHash } from 'node:crypto'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import t from 'tap'
import { toBase64 } from '../../../src/features/passwords/foreign/recipe.js'
import { readStored, writeWrapped } from '../../../src/features/passwords/foreign/stored.js'
import { prune } from '../../../src/db/retention.js'
import { createSeal } from '../../../src/crypto/seal.js'
import { keysSecret, logIn, testApp, type TestApp } from '../../support/app.js'
import { foreignHash } from '../../support/foreign-hashes.js'

const password = 'correct horse battery'

/** A user as an import leaves it. */
async function add({ sql }: TestApp, name: string, format: string): Promise<string> {
  const { hash, scheme } = foreignHash(format)
  const [row] = await sql<{ id: string }>(
    `insert into users (id, email, email_canonical, password_hash, password_scheme, activated_at)
     values (gen_random_uuid(), $1, $1, $2, $3, now()) returning id`,
    [`${name}@example.org`, hash, scheme],
  )
  return row?.id ?? ''
}

const stored = async ({ sql }: TestApp, id: string) =>
  (
    await sql('select password_hash, password_scheme, password_version from users where id = $1', [
      id,
    ])
  )[0]

t.test('the first login replaces the hash of another system', async (t) => {
  const test = await testApp(t)
  for (const [at, format] of [
    'werkzeug scrypt',
    'werkzeug pbkdf2:sha1:150000',
    'bcrypt $2b$',
    'passlib sha512_crypt',
  ].entries()) {
    const id = await add(test, `user${at}`, format)
    await logIn(test.app, { email: `user${at}@example.org`, password })
    const row = await stored(test, id)
    t.match(row, { password_hash: /^\$argon2id\$v=19\$m=1024,/, password_scheme: null }, format)
    t.equal(row?.password_version, 0, 'the password is the same')
    await logIn(test.app, { email: `user${at}@example.org`, password })
    t.strictSame(await stored(test, id), row, 'the second login leaves it')
  }
})

t.test('logins at the same time all succeed, and leave one hash', async (t) => {
  const test = await testApp(t, { env: { HASH_LANES: '4' } })
  const id = await add(test, 'ada', 'werkzeug pbkdf2:sha1:150000')
  const account = { email: 'ada@example.org', password }
  const logins = await Promise.all(Array.from({ length: 6 }, () => logIn(test.app, account)))
  t.equal(new Set(logins.map(({ access_token }) => access_token)).size, 6)
  t.match(await stored(test, id), { password_hash: /^\$argon2id\$/, password_scheme: null })
})

t.test('a password that is changed during the login wins over its new hash', async (t) => {
  const test = await testApp(t)
  const id = await add(test, 'ada', 'passlib sha512_crypt')
  const login = test.app.inject({
    method: 'POST',
    url: '/api/login',
    payload: { email: 'ada@example.org', password },
  })
  // The hash takes longer than this statement, which comes after the login has read the old one.
  await new Promise((resolve) => setTimeout(resolve, 40))
  await test.sql(`update users set password_hash = 'other', password_version = 1 where id = $1`, [
    id,
  ])
  t.equal((await login).statusCode, 401)
  t.match(await stored(test, id), { password_hash: 'other', password_version: 1 })
})

t.test('a wrong password leaves the hash', async (t) => {
  const test = await testApp(t)
  const id = await add(test, 'ada', 'werkzeug scrypt')
  const before = await stored(test, id)
  const payload = { email: 'ada@example.org', password: 'wrong horse battery' }
  const { statusCode } = await test.app.inject({ method: 'POST', url: '/api/login', payload })
  t.equal(statusCode, 401)
  t.strictSame(await stored(test, id), before)
})

t.test('hashes in JavaScript keep the event loop free', async (t) => {
  const test = await testApp(t, { env: { HASH_LANES: '2' } })
  await add(test, 'ada', 'django bcrypt')
  const email = 'ada@example.org'
  await test.app.inject({
    method: 'POST',
    url: '/api/login',
    payload: { email, password: 'wrong' },
  })
  const delay = monitorEventLoopDelay({ resolution: 5 })
  delay.enable()
  const start = performance.now()
  await Promise.all(
    Array.from({ length: 6 }, () =>
      test.app.inject({ method: 'POST', url: '/api/login', payload: { email, password: 'wrong' } }),
    ),
  )
  const took = performance.now() - start
  delay.disable()
  t.ok(took > 300, `six logins take ${took.toFixed(0)} ms`)
  const longest = delay.max / 1e6
  t.ok(longest < took / 3, `of which the event loop waits ${longest.toFixed(0)} at once`)
})

t.test('a key of imported passwords opens their logins, and goes with the last hash', async (t) => {
  const test = await testApp(t)
  const { sql, db } = test
  const id = '0192f3a4-5b6c-7d8e-9f01-23456789abcd'
  const key = Buffer.from('the SALT_KEY')
  const box = createSeal(keysSecret, 'import keys').seal(key.toString('base64'), id)
  await sql(
    `insert into import_keys (id, sealed_key, created_at) values ($1, $2, now() - interval '2 days')`,
    [id, box],
  )
  const digest = createHash('md5').update(password).update(key).digest()
  const recipe = { kind: 'digest', algorithm: 'md5', form: 'password+key', key: id } as const
  const text = writeWrapped({ ...recipe, salt: Buffer.alloc(0) }, await hash(toBase64(digest)))
  await sql(
    `insert into users (id, username, username_canonical, password_hash, password_scheme, activated_at)
     values (gen_random_uuid(), 'ada', 'ada', $1, $2, now())`,
    [text, readStored(text)?.scheme],
  )
  const count = async () => (await sql('select from import_keys')).length
  await prune(db, 86_400)
  t.equal(await count(), 1, 'it stays while a user needs it')
  await logIn(test.app, { username: 'ada', password })
  await prune(db, 86_400)
  t.equal(await count(), 0)
})
