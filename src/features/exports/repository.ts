import type { Db } from '../../db/pool.js'
import { lastLogin } from '../users/columns.js'

/** A user as an export has it: all that an import takes over. */
export type ExportedUser = {
  id: string
  name: string | null
  username: string | null
  email: string | null
  mobile: string | null
  gender: string | null
  password_hash: string | null
  activated_at: string | null
  disabled_at: string | null
  email_verified_at: string | null
  mobile_verified_at: string | null
  proven_at: string | null
  created_at: string
  updated_at: string
  last_login_at: string | null
  roles: string[]
  identities: { issuer: string; subject: string; email: string | null; created_at: string }[]
}

/** All SQL of exports. Call each method in the transaction that begin() prepared. */
export function createExportRepository(db: Db) {
  return {
    /** All reads of this transaction see one moment. */
    async begin(): Promise<void> {
      await db.query('set transaction isolation level repeatable read, read only')
      await db.query(
        `declare exported no scroll cursor for
         select id, name, username, email, mobile, gender, password_hash, activated_at, disabled_at,
           email_verified_at, mobile_verified_at, proven_at, created_at, updated_at,
           ${lastLogin} as last_login_at,
           array(select role from user_roles where user_id = users.id and role <> 'user' order by role)
             as roles,
           coalesce((select jsonb_agg(jsonb_build_object('issuer', issuer, 'subject', subject,
               'email', email, 'created_at', created_at) order by issuer)
             from identities where user_id = users.id), '[]') as identities
         from users left join last_logins on last_logins.user_id = users.id order by id`,
      )
    },

    /** The next users, in the order of their ids; none at the end. */
    async next(count: number): Promise<ExportedUser[]> {
      return (await db.query<ExportedUser>(`fetch ${String(count)} from exported`)).rows
    },
  }
}

export type ExportRepository = ReturnType<typeof createExportRepository>
