import t from 'tap'
import type { Db } from '../../../src/db/pool.js'
import { createSeal } from '../../../src/crypto/seal.js'
import { createKeyRepository } from '../../../src/features/tokens/key-repository.js'
import { keysSecret, testApp } from '../../support/app.js'

t.test('PostgreSQL does not use JIT for the statement that loads the keys', async (t) => {
  const { sql } = await testApp(t)
  const costs: number[] = []
  const explaining: Db = {
    async query(text, values) {
      type Plan = { 'QUERY PLAN': [{ Plan: { 'Total Cost': number } }] }
      const [explained] = await sql<Plan>(`explain (format json) ${text}`, values)
      if (explained) costs.push(explained['QUERY PLAN'][0].Plan['Total Cost'])
      return { rows: await sql(text, values), rowCount: 1 }
    },
  }
  await createKeyRepository(explaining, createSeal(keysSecret, 'signing keys')).load()
  const [limit] = await sql<{ cost: number }>(
    `select current_setting('jit_above_cost')::float8 as cost`,
  )
  t.equal(costs.length, 1)
  t.ok((costs[0] ?? Infinity) < (limit?.cost ?? 0) / 10, `its cost is ${costs[0]}`)
})
