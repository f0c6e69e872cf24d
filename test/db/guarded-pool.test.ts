import t from 'tap'
import { createPool } from '../../src/db/pool.js'
import { testApp } from '../support/app.js'
import { testDatabase } from '../support/database.js'
import { guardedPool } from '../support/guarded-pool.js'

t.test('the pool of the tests refuses a second connection inside a transaction', async (t) => {
  const url = await testDatabase(t)
  const pool = guardedPool(createPool({ url, size: 2 }))
  t.teardown(() => pool.close())
  const nested: (() => Promise<unknown>)[] = [
    () => pool.query('select'),
    () => pool.transaction(() => Promise.resolve()),
    () => Promise.resolve().then(() => pool.query('select')),
  ]
  for (const work of nested) await t.rejects(pool.transaction(work), /inside a transaction/)
  t.equal(pool.violations.length, nested.length)
  await pool.transaction((tx) => tx.query('select'))
  await pool.query('select')
  t.equal(pool.violations.length, nested.length)
})

t.test('a registration of a known address needs no second connection', async (t) => {
  const env = { ACTIVATION: 'required', RATE_LIMIT: 'on', DATABASE_POOL_SIZE: '1' }
  const { app, sql } = await testApp(t, { env })
  const register = async () => {
    const payload = { email: 'ada@example.org', password: 'correct horse battery' }
    return (await app.inject({ method: 'POST', url: '/api/register', payload })).statusCode
  }
  t.equal(await register(), 201)
  t.equal(await register(), 201, 'that waits for activation')
  await sql('update users set activated_at = now()')
  t.equal(await register(), 201, 'that is active')
})
