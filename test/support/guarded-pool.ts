import { AsyncLocalStorage } from 'node:async_hooks'
import type { Pool } from '../../src/db/pool.js'

/** One for all pools: each storage costs time at every promise of the process, as long as it lives. */
const holding = new AsyncLocalStorage<Pool>()

/**
 * A pool that refuses a second connection to whoever holds one: inside a transaction everything goes
 * over that transaction, or so many of them wait for each other that none comes to its end.
 */
export function guardedPool(pool: Pool): Pool & { violations: Error[] } {
  const violations: Error[] = []

  function requireOutside(): void {
    if (holding.getStore() !== pool) return
    const violation = new Error('the pool was asked inside a transaction')
    violations.push(violation)
    throw violation
  }

  return {
    ...pool,
    violations,
    async query(text, values, options) {
      requireOutside()
      return pool.query(text, values, options)
    },
    async transaction(work) {
      requireOutside()
      return pool.transaction((tx) => holding.run(pool, () => work(tx)))
    },
  }
}
