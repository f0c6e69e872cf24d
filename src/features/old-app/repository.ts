import type { Db } from '../../db/pool.js'

/** All SQL about the names that imported users had in their old app. */
export function createOldAppRepository(db: Db) {
  return {
    /** The only imported user with this name whose password has not changed since; undefined if there are two. */
    async findUser(name: string): Promise<string | undefined> {
      const { rows } = await db.query<{ user_id: string }>(
        `select user_id from imported_names join users u on u.id = user_id
         where imported_names.name = $1 and u.password_version = 0 limit 2`,
        [name],
      )
      return rows.length === 1 ? rows[0]?.user_id : undefined
    },

    /** Whether old tokens of the user may still log in. A statement that ends them waits for this transaction. */
    async hold(userId: string): Promise<boolean> {
      const { rowCount } = await db.query(
        'select from imported_names where user_id = $1 for key share',
        [userId],
      )
      return rowCount > 0
    },
  }
}

export type OldAppRepository = ReturnType<typeof createOldAppRepository>
