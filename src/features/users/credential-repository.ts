import type { Db } from '../../db/pool.js'
import type { Identifier } from '../identifiers/identifiers.js'
import type { User } from './schemas.js'

/** A user with the data that a login checks. It is never sent to a client. */
export type Credential = {
  user: User
  password_hash: string | null
  /** Counts the changes of the password. */
  password_version: number
  activated: boolean
  disabled: boolean
}

/** The SQL about passwords. `columns` are those of a user. */
export function createCredentialQueries(db: Db, columns: string) {
  return {
    findCredential({ kind, canonical }: Identifier): Promise<Credential | undefined> {
      return findCredential(`${kind}_canonical`, canonical)
    },

    findCredentialById: (id: string): Promise<Credential | undefined> => findCredential('id', id),

    /** Replaces the hash of an unchanged password. Returns false if the password has changed meanwhile. */
    async replaceHash(id: string, oldHash: string, newHash: string): Promise<boolean> {
      const { rowCount } = await db.query(
        'update users set password_hash = $3 where id = $1 and password_hash = $2',
        [id, oldHash, newHash],
      )
      return rowCount === 1
    },

    /** Returns the new password version, or undefined if the password has changed meanwhile. */
    async changePassword(
      id: string,
      oldHash: string,
      newHash: string,
    ): Promise<number | undefined> {
      const { rows } = await db.query<{ version: number }>(
        `update users set password_hash = $3, password_version = password_version + 1
         where id = $1 and password_hash = $2 returning password_version as version`,
        [id, oldHash, newHash],
      )
      return rows[0]?.version
    },

    /** Sets or removes (null) the password. Returns the new password version. */
    async setPassword(id: string, hash: string | null): Promise<number> {
      const { rows } = await db.query<{ version: number }>(
        `update users set password_hash = $2, password_version = password_version + 1,
           updated_at = now()
         where id = $1 returning password_version as version`,
        [id, hash],
      )
      return rows[0]?.version ?? 0
    },
  }

  async function findCredential(column: string, value: string): Promise<Credential | undefined> {
    const { rows } = await db.query<User & Omit<Credential, 'user'>>(
      `select ${columns}, password_hash, password_version, activated_at is not null as activated,
         disabled_at is not null as disabled
       from users where ${column} = $1`,
      [value],
    )
    const [row] = rows
    if (!row) return undefined
    const { password_hash, password_version, activated, disabled, ...user } = row
    return { user, password_hash, password_version, activated, disabled }
  }
}
