import { pageSql, parameters, sortKey, toPage, type Page, type Put } from '../../db/keyset.js'
import type { Db } from '../../db/pool.js'
import type { Caller } from '../../http/caller.js'
import type { PageRequest } from '../../http/lists.js'
import { auditSorts, type AuditEntry, type AuditEvent } from './schemas.js'

export type NewAuditEntry = {
  event: AuditEvent
  caller: Caller
  /** The user that the event is about, if known. */
  user_id?: string | null
  /** Never a secret, nor text that a user typed. */
  detail?: Record<string, string | number | boolean>
}

export type AuditFilter = {
  user_id?: string
  event?: string
  created_after?: string
  created_before?: string
}

const keys = { at: sortKey(auditSorts.at, 'at') }

/** Entries that another statement adds: a query for it, and the value of its parameter. */
export type AuditAddition = { sql: (parameter: number) => string; value: string }

const addSql = (parameter: number) => `
  insert into audit_log (id, event, actor_id, user_id, address, user_agent, request_id, detail)
  select id, event, actor_id, user_id, address, user_agent, request_id, detail
  from jsonb_populate_recordset(null::audit_log, $${String(parameter)})`

/** All SQL about the audit log. */
export function createAuditRepository(db: Db, newId: () => string) {
  function addition(entries: NewAuditEntry[]): AuditAddition {
    const rows = entries.map(({ event, caller, user_id = null, detail = {} }) => {
      const { user_id: actor_id, address, user_agent, request_id } = caller
      return { id: newId(), event, actor_id, user_id, address, user_agent, request_id, detail }
    })
    return { sql: addSql, value: JSON.stringify(rows) }
  }

  return {
    async add(...entries: NewAuditEntry[]): Promise<void> {
      const { sql, value } = addition(entries)
      await db.query(sql(1), [value])
    },

    addition,

    async list(
      filter: AuditFilter,
      { limit, key, ...page }: PageRequest<keyof typeof keys>,
    ): Promise<Page<AuditEntry>> {
      const { values, put } = parameters()
      const sql = pageSql({ ...page, key: key && keys[key] }, put)
      const { rows } = await db.query<AuditEntry & { sort_key: string | null }>(
        `select id, at, event, actor_id, user_id, address, user_agent, request_id, detail,
           ${sql.sortKey}
         from audit_log where ${sql.isAfter} and ${conditionOf(filter, put)}
         order by ${sql.order} limit ${put(limit + 1)}`,
        values,
        { plansEachTime: true },
      )
      return toPage(rows, limit)
    },

    /** Counts entries, up to a limit. */
    async count(filter: AuditFilter, limit: number): Promise<number> {
      const { values, put } = parameters()
      const { rows } = await db.query<{ count: number }>(
        `select count(*)::integer as count from (
           select from audit_log where ${conditionOf(filter, put)} limit ${put(limit)}) as found`,
        values,
        { plansEachTime: true },
      )
      return rows[0]?.count ?? 0
    },

    /**
     * Whether the user has logged in more than once. Reads at most the first 1,000 entries, so that failed
     * logins by strangers do not make it slow.
     */
    async hasReturned(userId: string): Promise<boolean> {
      const { rows } = await db.query<{ has_returned: boolean }>(
        `select count(*) > 1 as has_returned
         from (select event from audit_log where user_id = $1 order by id limit 1000) first
         where event = 'login.succeeded'`,
        [userId],
      )
      return rows[0]?.has_returned === true
    },
  }
}

export type AuditRepository = ReturnType<typeof createAuditRepository>

function conditionOf({ user_id, event, ...times }: AuditFilter, put: Put): string {
  const conditions = ['true']
  if (user_id !== undefined) conditions.push(`user_id = ${put(user_id)}`)
  if (event !== undefined) conditions.push(`event = ${put(event)}`)
  const { created_after, created_before } = times
  if (created_after !== undefined) conditions.push(`at >= ${put(created_after)}`)
  if (created_before !== undefined) conditions.push(`at < ${put(created_before)}`)
  return conditions.join(' and ')
}
