import pg from 'pg'
import type { Test } from 'tap'

export type Statement = { text: string; values: unknown[] }

type Query = (...args: unknown[]) => Promise<unknown>

/** The statements that this process sends to PostgreSQL until the test ends. */
export function sentStatements(t: Test): Statement[] {
  const sent: Statement[] = []
  const query = pg.Client.prototype.query as unknown as Query
  t.intercept(pg.Client.prototype, 'query', {
    value(this: pg.Client, ...args: unknown[]) {
      const [statement, values = []] = args as [string | Statement, unknown[]?]
      sent.push(typeof statement === 'string' ? { text: statement, values } : statement)
      return query.apply(this, args)
    },
  })
  return sent
}
