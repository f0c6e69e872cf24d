import type { Db } from '../../db/pool.js'
import type { NoticedLogin } from '../messages/noticed-login.js'

const columns = 'id, user_id, user_agent, address, created_at, used_at'

/** All SQL about notices of logins. The clock is the database's. */
export function createLoginNoticeRepository(db: Db) {
  return {
    async add(
      { id, user_id, user_agent, address }: Omit<NoticedLogin, 'created_at' | 'used_at'>,
      ttl: number,
    ): Promise<void> {
      await db.query(
        `insert into login_notices (id, user_id, user_agent, address, expires_at)
         values ($1, $2, $3, $4, now() + make_interval(secs => $5))`,
        [id, user_id, user_agent, address, ttl],
      )
    },

    /** Stores the hash of a new token. Returns undefined if the link was used or has expired. */
    async setToken(id: string, hash: Buffer): Promise<NoticedLogin | undefined> {
      const { rows } = await db.query<NoticedLogin>(
        `update login_notices set token_hash = $2
         where id = $1 and used_at is null and expires_at > now() returning ${columns}`,
        [id, hash],
      )
      return rows[0]
    },

    /** Finds the notice of a link, used or not. Returns undefined if it has expired. */
    async find(hash: Buffer): Promise<NoticedLogin | undefined> {
      const { rows } = await db.query<NoticedLogin>(
        `select ${columns} from login_notices where token_hash = $1 and expires_at > now()`,
        [hash],
      )
      return rows[0]
    },

    /** Uses the link up. Returns false if it was used already or has expired. */
    async use(id: string): Promise<boolean> {
      const { rowCount } = await db.query(
        `update login_notices set used_at = now()
         where id = $1 and used_at is null and expires_at > now()`,
        [id],
      )
      return rowCount === 1
    },
  }
}

export type LoginNoticeRepository = ReturnType<typeof createLoginNoticeRepository>
