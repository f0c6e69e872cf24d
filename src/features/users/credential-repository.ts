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
  /** Whether the user has a second factor. */
  has_factor: boolean
}

/** The SQL about passwords. `columns` are those of a user. */
export function createCredentialQueries(db: Db, columns: string) {
  return {
    findCredential({ kind, canonical }: Identifier): Promise<Credential | undefined> {
      return findCredential(`${kind}_canonical`, canonical)
    },

    findCredentialById: (id: string): Promise<Credential | undefined> => findCredential('id', id),

    /** The schemes of imported hashes. Reads one index entry for each scheme, not for each user. */
    async listPasswordSchemes(): Promise<string[]> {
      const { rows } = await db.query<{ scheme: string }>(
        `with recursive schemes as (
           select min(password_scheme) as scheme from users where password_scheme is not null
           union all
           select (select min(password_scheme) from users where password_scheme > scheme)
           from schemes where scheme is not null
         ) select scheme from schemes where scheme is not null`,
      )
      return rows.map(({ scheme }) => scheme)
    },

    /** Counts users by scheme. `null` is a hash that Gatehouse has made, `none` a user without a password. */
    async countPasswordSchemes(): Promise<{ scheme: string | null; users: number }[]> {
      const { rows } = await db.query<{ scheme: string | null; users: number }>(
        `select case when password_hash is null then 'none' else password_scheme end as scheme,
           count(*)::integer as users
         from users group by 1 order by 2 desc, 1`,
      )
      return rows
    },

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

    /** After a new password only the device that chose it is known: see known-devices.ts. */
    async keepDevice(id: string, device: string): Promise<void> {
      await db.query(
        `update last_logins set devices = array[$2]::bigint[],
           devices_version = (select password_version from users where id = $1)
         where user_id = $1 and devices_version is not null`,
        [id, device],
      )
    },
  }

  async function findCredential(column: string, value: string): Promise<Credential | undefined> {
    const { rows } = await db.query<User & Omit<Credential, 'user'>>(
      `select ${columns}, password_hash, password_version, activated_at is not null as activated,
         disabled_at is not null as disabled,
         exists (select from totp_factors f where f.user_id = users.id and f.secret is not null)
           as has_factor
       from users where ${column} = $1`,
      [value],
    )
    const [row] = rows
    if (!row) return undefined
    const { password_hash, password_version, activated, disabled, has_factor, ...user } = row
    return { user, password_hash, password_version, activated, disabled, has_factor }
  }
}
