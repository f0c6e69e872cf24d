import type { Pool } from './pool.js'

// An arbitrary key for an advisory lock, used nowhere else in this service.
const pruneLock = 4_728_102

const expired = {
  sessions: 'expires_at < now()',
  // Kept longer, in case the clock of the database was set forward.
  token_denylist: `expires_at < now() - interval '10 minutes'`,
  spent_logins: 'expires_at < now()',
  // Listed for a month, so that users see which key a failed script had.
  api_keys: `expires_at < now() - interval '30 days'`,
  // A spent one shows a second use.
  authorization_codes: `expires_at < now() - interval '1 hour'`,
  // A device that asks late learns that its code has expired.
  device_codes: `expires_at < now() - interval '1 hour'`,
  // A used one stays for as long, so that the list shows it.
  invitations: 'expires_at < now()',
  login_challenges: 'expires_at < now()',
  login_notices: 'expires_at < now()',
  trusted_devices: 'expires_at < now()',
  one_time_codes: 'link_expires_at < now()',
  rate_limits: 'expire < (extract(epoch from now()) * 1000)::bigint',
  // A key is stored before the hashes that need it.
  import_keys: `created_at < now() - interval '1 day' and not exists (
    select from users where password_scheme like '%k=' || import_keys.id)`,
}

const keys: Partial<Record<string, string>> = {
  rate_limits: 'key',
  authorization_codes: 'code_hash',
  device_codes: 'device_hash',
  login_challenges: 'token_hash',
}

/**
 * Deletes expired rows: at most `batchSize` of each table, so that no lock is held for long. While another
 * instance prunes, it deletes nothing. The audit log is kept for `auditSeconds`.
 * @returns how many rows were deleted
 */
export async function prune(db: Pool, auditSeconds: number, batchSize = 1_000): Promise<number> {
  return db.transaction(async (tx) => {
    const { rows } = await tx.query<{ mine: boolean }>(
      `select pg_try_advisory_xact_lock(${String(pruneLock)}) as mine`,
    )
    if (!rows[0]?.mine) return 0
    let removed = 0
    // The condition again: a row that changed since it was found may no longer be expired.
    const remove = async (table: string, condition: string, values: unknown[] = []) => {
      const key = keys[table] ?? 'id'
      const { rowCount } = await tx.query(
        `delete from ${table} where ${key} = any (array(
           select ${key} from ${table} where ${condition} limit ${String(batchSize)})) and ${condition}`,
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
