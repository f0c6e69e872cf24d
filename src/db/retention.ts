import type { Pool } from './pool.js'

// Any number will do, as long as nothing else of this service locks it.
const turnLock = 4_728_102

const expired = {
  sessions: 'expires_at < now()',
  // Later than the rest: the clock of the database may have been set forward.
  token_denylist: `expires_at < now() - interval '10 minutes'`,
  spent_logins: 'expires_at < now()',
  one_time_codes: 'link_expires_at < now()',
  rate_limits: 'expire < extract(epoch from now()) * 1000',
}

const keys: Partial<Record<string, string>> = { rate_limits: 'key' }

/**
 * Removes what time has ended, so much at a time that no lock is held for long; one instance at a
 * time does, and the others need not. The audit log is kept for `auditSeconds`. Returns how many rows went.
 */
export async function prune(db: Pool, auditSeconds: number, most = 1_000): Promise<number> {
  return db.transaction(async (tx) => {
    const { rows } = await tx.query<{ mine: boolean }>(
      `select pg_try_advisory_xact_lock(${String(turnLock)}) as mine`,
    )
    if (!rows[0]?.mine) return 0
    let removed = 0
    const remove = async (table: string, condition: string, values: unknown[] = []) => {
      const key = keys[table] ?? 'id'
      const { rowCount } = await tx.query(
        `delete from ${table} where ${key} in (
           select ${key} from ${table} where ${condition} limit ${String(most)})`,
        values,
      )
      removed += rowCount
    }
    for (const [table, condition] of Object.entries(expired)) await remove(table, condition)
    await tx.query(`select set_config('gatehouse.retention', 'on', true)`)
    await remove('audit_log', 'at < now() - make_interval(secs => $1)', [auditSeconds])
    return removed
  })
}
