import pg from 'pg'
import type { Db, QueryOptions } from '../../src/db/pool.js'
import { growing } from './many-rows.js'

type Plan = {
  'Node Type': string
  'Total Cost': number
  'Relation Name'?: string
  'Actual Rows': number
  'Actual Loops': number
  'Rows Removed by Filter'?: number
  'Rows Removed by Index Recheck'?: number
  Plans?: Plan[]
}

/** A part of a plan that reads or sorts more rows than a statement may. */
export type Fault = { plan: 'custom' | 'generic'; node: string; rows: number; text: string }

/** What PostgreSQL adds for planning a statement of a few tables, in the unit of its costs. */
const planning = 25

type Checked = Db & {
  faults: Fault[]
  /** How many rows a statement may read or sort from here on. */
  setLimit(rows: number): void
}

/**
 * Runs statements on one connection. Before that, each runs by the plan for its values, and by the plan for any
 * values that PostgreSQL may use for a prepared statement. Both are undone. It notes which of them read too much.
 */
export function planChecker(client: pg.Client): Checked {
  const faults: Fault[] = []
  let limit = 0
  let count = 0

  /** Notes what reads too much, and returns the cost of the plan. */
  async function check(text: string, values: unknown[], custom?: number): Promise<number> {
    const plan = custom === undefined ? 'custom' : 'generic'
    const name = `checked_${String((count += 1))}`
    const list = values.length === 0 ? '' : `(${(values as Value[]).map(literalOf).join(', ')})`
    const explain = async (options: string) => {
      const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
        `explain (${options} format json) execute ${name}${list}`,
      )
      return rows[0]!['QUERY PLAN'][0].Plan
    }
    await client.query('savepoint checked')
    await client.query(`set local plan_cache_mode = force_${plan}_plan`)
    await client.query(`prepare ${name} as ${text}`)
    const { 'Total Cost': cost } = await explain('')
    // PostgreSQL takes the generic plan only if it looks as cheap as those for the values.
    if (custom === undefined || cost <= custom + planning) {
      for (const node of nodesOf(await explain('analyze, timing off,'))) {
        const read = rowsOf(node)
        if (read > limit) faults.push({ plan, node: nameOf(node), rows: read, text })
      }
    }
    await client.query('rollback to savepoint checked')
    await client.query(`deallocate ${name}`)
    return cost
  }

  return {
    faults,
    setLimit: (rows) => void (limit = rows),
    async query<Row>(text: string, values: unknown[] = [], options: QueryOptions = {}) {
      if (/^\s*(select|insert|update|delete|with)\b/i.test(text)) {
        const cost = await check(text, values)
        if (values.length > 0 && !options.plansEachTime) await check(text, values, cost)
      }
      const { rows, rowCount } = await client.query(text, values)
      return { rows: rows as Row[], rowCount: rowCount ?? 0 }
    },
  }
}

const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)]

const nameOf = (node: Plan) =>
  [node['Node Type'], node['Relation Name']].filter(Boolean).join(' on ')

/** What a node reads of a table that grows, or what it sorts. */
function rowsOf(node: Plan): number {
  const loops = node['Actual Loops']
  if (/Sort$/.test(node['Node Type'])) {
    return Math.max(
      0,
      ...(node.Plans ?? []).map((each) => each['Actual Rows'] * each['Actual Loops']),
    )
  }
  if (!growing.includes(node['Relation Name'] ?? '')) return 0
  const removed =
    (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0)
  return (node['Actual Rows'] + removed) * loops
}

type Value = string | number | boolean | null | undefined | Buffer | Value[]

/** As a literal of unknown type, because EXPLAIN EXECUTE takes no parameters. */
function literalOf(value: Value): string {
  if (value === null || value === undefined) return 'null'
  if (Buffer.isBuffer(value)) return `'\\x${value.toString('hex')}'`
  if (Array.isArray(value)) {
    const items = value.map((item) => (item === null ? 'null' : JSON.stringify(String(item))))
    return pg.escapeLiteral(`{${items.join(',')}}`)
  }
  if (typeof value === 'object') return pg.escapeLiteral(JSON.stringify(value))
  return pg.escapeLiteral(String(value))
}
