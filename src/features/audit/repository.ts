import type { Db } from '../../db/pool.js'
import type { Caller } from '../../http/caller.js'
import type { AuditEntry, AuditEvent } from './schemas.js'

export type NewAuditEntry = {
  event: AuditEvent
  caller: Caller
  /** The user that the event is about, if known. */
  user_id?: string | null
  /** Never a secret, nor text that a user typed. */
  detail?: Record<string, string | number | boolean>
}

type Filter = { before?: string; user_id?: string; event?: string; limit: number }

/** All SQL about the audit log. */
export function createAuditRepository(db: Db, newId: () => string) {
  return {
    async add(...entries: NewAuditEntry[]): Promise<void> {
      const rows = entries.map(({ event, caller, user_id = null, detail = {} }) => {
        const { user_id: actor_id, address, user_agent, request_id } = caller
        return { id: newId(), event, actor_id, user_id, address, user_agent, request_id, detail }
      })
      await db.query(
        `insert into audit_log (id, event, actor_id, user_id, address, user_agent, request_id, detail)
         select id, event, actor_id, user_id, address, user_agent, request_id, detail
         from jsonb_populate_recordset(null::audit_log, $1)`,
        [JSON.stringify(rows)],
      )
    },

    /** Lists entries, newest first. `before` is the id of the last entry of the previous page. */
    async list({ before, user_id, event, limit }: Filter): Promise<AuditEntry[]> {
      const { rows } = await db.query<AuditEntry>(
        `select id, at, event, actor_id, user_id, address, user_agent, request_id, detail
         from audit_log
         where ($1::uuid is null or id < $1) and ($2::uuid is null or user_id = $2)
           and ($3::text is null or event = $3)
         order by id desc limit $4`,
        [before ?? null, user_id ?? null, event ?? null, limit],
      )
      return rows
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
