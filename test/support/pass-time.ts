import { loadConfig } from '../../src/config/load.js'
import type { TestApp } from './app.js'

const { REFRESH_GRACE: grace } = loadConfig({ NODE_ENV: 'test' })

/** Everything that happened to the generations of the sessions lies so much further back, as `11 seconds`. */
export const passTime = (sql: TestApp['sql'], interval: string) =>
  sql(
    `update sessions set rotated_at = rotated_at - $1::interval, spent_at = array(
       select at - $1::interval from unnest(spent_at) with ordinality as spent (at, nth) order by nth)`,
    [interval],
  )

/** The same, a second longer than the default of REFRESH_GRACE. */
export const passGrace = (sql: TestApp['sql']) => passTime(sql, `${String(grace + 1)} seconds`)
