import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createPool } from '../../../src/db/pool.js'
import { openRotation } from '../../../src/commands/rotation.js'
import { createSeal } from '../../../src/crypto/seal.js'
import { reseal, reset, sealedValues } from '../../../src/db/sealed-values.js'
import { createKeyRepository } from '../../../src/features/tokens/key-repository.js'
import { bearer, keysSecret, listeningApp, signUp, testApp } from '../../support/app.js'
import { gatehouse } from '../../support/command-line.js'
import { spawnServer } from '../../support/server-process.js'
import { until } from '../../support/until.js'

const other = { KEYS_SECRET: `${keysSecret}-another` }
const noStack = /\n +at |Error:/

t.test('where KEYS_SECRET is lost, each command and the start say what to do', async (t) => {
  const { url, sql } = await testApp(t)
  const [key] = await sql<{ kid: string }>('select kid from signing_keys')
  const server = await spawnServer(t, { DATABASE_URL: url, ...other })
  const removed = await gatehouse(url, ['keys', 'remove', '--', key?.kid ?? ''], other)
  const doctor = await gatehouse(url, ['doctor'], other)
  t.equal(await server.exited, 1)
  t.equal(removed.code, 1)
  t.equal(doctor.code, 1)
  const last = server.output().trim().split('\n').at(-1) ?? ''
  for (const text of [last, removed.errors, doctor.out]) {
    t.match(text, /another KEYS_SECRET.*keys reseal --from FILE.*keys reset --yes/)
    t.notMatch(text, noStack)
  }
  t.equal(removed.errors.trim().split('\n').length, 1)
})

t.test('keys reset counts what it destroys, and needs --yes', async (t) => {
  const service = await listeningApp(t, { keyCheckInterval: 20 })
  const { app, url, sql } = service
  const { access_token } = await signUp(app)
  const kids = () => sql<{ kid: string }>('select kid from signing_keys')
  const before = await kids()
  const asked = await gatehouse(url, ['keys', 'reset'], other)
  t.match(asked, { code: 1, errors: /1 signing keys .* 1 sessions.*--yes/ })
  t.notMatch(asked.errors, noStack)
  t.same(await kids(), before)

  t.match(await gatehouse(url, ['keys', 'reset', '--yes'], other), { code: 0, out: 'are deleted' })
  t.not((await kids())[0]?.kid, before[0]?.kid)
  t.equal((await sql('select from sessions')).length, 0)
  t.match(await sql(`select detail from audit_log where event = 'key.removed'`), [
    { detail: { why: 'reset', keys: 1, sessions: 1 } },
  ])
  t.match(await gatehouse(url, ['keys', 'rotate'], other), { code: 0 }, 'the new key opens')
  // An instance that still has the lost secret.
  const ready = async () => (await app.inject('/health/ready')).statusCode
  await until(async () => (await ready()) === 503, 'an instance that is not ready')
  const old = await app.inject({ url: '/api/user', headers: bearer(access_token) })
  t.equal(old.statusCode, 401)
})

t.test('keys reseal changes the secret, and access tokens survive', async (t) => {
  const { app, config, db, url, sql } = await listeningApp(t, { keyCheckInterval: 20 })
  const { access_token } = await signUp(app)
  const file = join(t.testdir(), 'old')
  const boxes = () => sql<{ box: Buffer }>('select sealed_private_key as box from signing_keys')
  const before = await boxes()
  writeFileSync(file, 'neither of the two secrets, but long enough')
  const wrong = await gatehouse(url, ['keys', 'reseal', '--from', file], other)
  t.match(wrong, { code: 1, errors: 'Nothing has changed' })
  t.notMatch(wrong.errors, noStack)
  t.same(await boxes(), before)
  const missing = await gatehouse(url, ['keys', 'reseal', '--from', `${file}-not`], other)
  t.match(missing, { code: 1, errors: 'cannot be read' })

  writeFileSync(file, `${keysSecret}\n`)
  const reseal = () => gatehouse(url, ['keys', 'reseal', '--from', file], other)
  t.match(await reseal(), { code: 0, out: '1 sealed values resealed, 0 already were' })
  t.match(await reseal(), { code: 0, out: '0 sealed values resealed, 1 already were' })
  t.ok(await openRotation(config, db, other.KEYS_SECRET).rotate(900))
  await t.rejects(openRotation(config, db, keysSecret).rotate(900), /another KEYS_SECRET/)
  const second = await app.inject({ url: '/api/user', headers: bearer(access_token) })
  t.equal(second.statusCode, 200)
})

t.test('while another process changes the keys neither command does', async (t) => {
  const { db, sql, url } = await testApp(t)
  const process = createPool({ url, size: 1 })
  t.teardown(() => process.close())
  const keys = () => sql('select * from signing_keys')
  const before = await keys()
  const busy = /Another process is changing the keys/
  await process.transaction(async (tx) => {
    t.ok(await createKeyRepository(tx, createSeal(keysSecret, 'signing keys')).lock())
    await t.rejects(reseal(db, keysSecret, other.KEYS_SECRET), busy)
    await t.rejects(
      reset(db, () => Promise.resolve()),
      busy,
    )
  })
  t.same(await keys(), before)
})

t.test('reseal knows every sealed column of the schema', async (t) => {
  const { sql } = await testApp(t)
  const columns = await sql<{ name: string }>(
    `select table_name || '.' || column_name as name from information_schema.columns
     where table_schema = 'public' and column_name like 'sealed%' order by 1`,
  )
  t.same(
    columns.map(({ name }) => name),
    sealedValues.map(({ table, column }) => `${table}.${column}`).sort(),
  )
})
