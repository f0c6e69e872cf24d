import type { Db } from '../../db/pool.js'
import type { Passkey } from './schemas.js'

export type NewPasskey = {
  id: string
  user_id: string
  credential_id: Buffer
  public_key: Buffer
  sign_count: number
  aaguid: string
  name: string
  transports: string[]
  is_discoverable: boolean
  backup_eligible: boolean
  backed_up: boolean
}

/** What a login needs of a passkey. */
export type StoredPasskey = Pick<
  NewPasskey,
  'id' | 'user_id' | 'credential_id' | 'public_key' | 'backup_eligible'
>

const columns = `id, name, is_discoverable as discoverable, backed_up, created_at, last_used_at`

/** All SQL about passkeys. */
export function createPasskeyRepository(db: Db) {
  return {
    /** Returns undefined if a user has this passkey already. */
    async add(passkey: NewPasskey): Promise<Passkey | undefined> {
      const { id, user_id, credential_id, public_key, sign_count, aaguid, name } = passkey
      const { transports, is_discoverable, backup_eligible, backed_up } = passkey
      const { rows } = await db.query<Passkey>(
        `insert into passkeys (id, user_id, credential_id, public_key, sign_count, aaguid, name,
             transports, is_discoverable, backup_eligible, backed_up)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
           on conflict do nothing returning ${columns}`,
        [
          id,
          user_id,
          credential_id,
          public_key,
          sign_count,
          aaguid,
          name,
          transports,
          is_discoverable,
          backup_eligible,
          backed_up,
        ],
      )
      return rows[0]
    },

    async list(userId: string): Promise<Passkey[]> {
      const { rows } = await db.query<Passkey>(
        `select ${columns} from passkeys where user_id = $1 order by created_at, id`,
        [userId],
      )
      return rows
    },

    /** What a browser needs to find the passkeys of a user. */
    async listDescriptors(
      userId: string,
    ): Promise<{ credential_id: Buffer; transports: string[] }[]> {
      const { rows } = await db.query<{ credential_id: Buffer; transports: string[] }>(
        'select credential_id, transports from passkeys where user_id = $1 order by created_at, id',
        [userId],
      )
      return rows
    },

    async has(userId: string): Promise<boolean> {
      const { rowCount } = await db.query('select from passkeys where user_id = $1 limit 1', [
        userId,
      ])
      return rowCount > 0
    },

    /** Whether the user can log in by a passkey alone. */
    async isWayIn(userId: string): Promise<boolean> {
      const { rowCount } = await db.query(
        'select from passkeys where user_id = $1 and is_discoverable limit 1',
        [userId],
      )
      return rowCount > 0
    },

    async find(credentialId: Buffer): Promise<StoredPasskey | undefined> {
      const { rows } = await db.query<StoredPasskey>(
        `select id, user_id, credential_id, public_key, backup_eligible
         from passkeys where credential_id = $1`,
        [credentialId],
      )
      return rows[0]
    },

    /** Marks a use. Returns false if the counter did not grow, so that a copy may exist (WebAuthn §6.1.1). */
    async markUsed(id: string, signCount: number, backedUp: boolean): Promise<boolean> {
      const { rowCount } = await db.query(
        `update passkeys set sign_count = $2, backed_up = $3, last_used_at = now()
         where id = $1 and (sign_count < $2 or (sign_count = 0 and $2 = 0))`,
        [id, signCount, backedUp],
      )
      return rowCount === 1
    },

    async rename(userId: string, id: string, name: string): Promise<Passkey | undefined> {
      const { rows } = await db.query<Passkey>(
        `update passkeys set name = $3 where user_id = $1 and id = $2 returning ${columns}`,
        [userId, id, name],
      )
      return rows[0]
    },

    async remove(userId: string, id: string): Promise<boolean> {
      const { rowCount } = await db.query('delete from passkeys where user_id = $1 and id = $2', [
        userId,
        id,
      ])
      return rowCount === 1
    },

    /** Returns how many there were. */
    async removeAll(userId: string): Promise<number> {
      const { rowCount } = await db.query('delete from passkeys where user_id = $1', [userId])
      return rowCount
    },

    /** Removes those that were added before the account proved an address. */
    async removeUnproven(userId: string): Promise<void> {
      await db.query(
        `delete from passkeys using users where users.id = $1 and user_id = users.id
           and passkeys.created_at < coalesce(proven_at, least(email_verified_at, mobile_verified_at))`,
        [userId],
      )
    },
  }
}

export type PasskeyRepository = ReturnType<typeof createPasskeyRepository>
