import type { Db } from '../../db/pool.js'
import type { TrustedDevice } from './schemas.js'

/** The most trusted devices of a user. Further ones replace the oldest. */
const perUser = 20

/** The SQL about devices on which the user is not asked for the second factor again. */
export function createTrustedDevices(db: Db) {
  return {
    async trust(device: {
      id: string
      user_id: string
      token_hash: Buffer
      user_agent: string | null
      ttl: number
    }): Promise<void> {
      const { id, user_id, token_hash, user_agent, ttl } = device
      await db.query(
        `with surplus as (
           delete from trusted_devices where id in (
             select id from trusted_devices where user_id = $2 order by id desc offset $6))
         insert into trusted_devices (id, user_id, token_hash, user_agent, expires_at)
         values ($1, $2, $3, $4, now() + make_interval(secs => $5))`,
        [id, user_id, token_hash, user_agent, ttl, perUser - 1],
      )
    },

    /** The browser to which a trusted device was bound; undefined if the secret is not of this user. */
    async findTrusted(
      userId: string,
      hash: Buffer,
    ): Promise<{ user_agent: string | null } | undefined> {
      const { rows } = await db.query<{ user_agent: string | null }>(
        `select user_agent from trusted_devices
         where token_hash = $2 and user_id = $1 and expires_at > now()`,
        [userId, hash],
      )
      return rows[0]
    },

    async listTrusted(userId: string): Promise<TrustedDevice[]> {
      const { rows } = await db.query<TrustedDevice>(
        `select id, user_agent, created_at, expires_at from trusted_devices
         where user_id = $1 and expires_at > now() order by id desc`,
        [userId],
      )
      return rows
    },

    async forget(userId: string, id: string): Promise<boolean> {
      const { rowCount } = await db.query(
        'delete from trusted_devices where user_id = $1 and id = $2',
        [userId, id],
      )
      return rowCount === 1
    },

    async forgetAll(userId: string): Promise<void> {
      await db.query('delete from trusted_devices where user_id = $1', [userId])
    },
  }
}
