import type { Db } from '../../db/pool.js'

export type StoredIdentity = { issuer: string; email: string | null; created_at: string }

type NewIdentity = { issuer: string; subject: string; user_id: string; email: string | null }

/** All SQL that reads or writes connected identities and used logins. */
export function createIdentityRepository(db: Db) {
  return {
    /** Returns the id of the user. */
    async find(issuer: string, subject: string): Promise<string | undefined> {
      const { rows } = await db.query<{ user_id: string }>(
        'select user_id from identities where issuer = $1 and subject = $2',
        [issuer, subject],
      )
      return rows[0]?.user_id
    },

    async list(userId: string): Promise<StoredIdentity[]> {
      const { rows } = await db.query<StoredIdentity>(
        'select issuer, email, created_at from identities where user_id = $1 order by created_at, issuer',
        [userId],
      )
      return rows
    },

    /** Returns false if a user has this identity already, or this user has another one of the issuer. */
    async add({ issuer, subject, user_id, email }: NewIdentity): Promise<boolean> {
      const { rowCount } = await db.query(
        `insert into identities (issuer, subject, user_id, email, created_at)
         values ($1, $2, $3, $4, clock_timestamp())
         on conflict do nothing`,
        [issuer, subject, user_id, email],
      )
      return rowCount === 1
    },

    async remove(userId: string, issuer: string): Promise<boolean> {
      const { rowCount } = await db.query(
        'delete from identities where user_id = $1 and issuer = $2',
        [userId, issuer],
      )
      return rowCount === 1
    },

    async removeAll(userId: string): Promise<void> {
      await db.query('delete from identities where user_id = $1', [userId])
    },

    /** Removes the identities that were connected before the account proved an address. */
    async removeUnproven(userId: string): Promise<void> {
      await db.query(
        `delete from identities using users where users.id = $1 and user_id = users.id
           and identities.created_at < coalesce(proven_at, least(email_verified_at, mobile_verified_at))`,
        [userId],
      )
    },

    /** Marks a login as used. Returns false if it was used before. */
    async spend(id: string, expiresAt: number): Promise<boolean> {
      const { rowCount } = await db.query(
        `insert into spent_logins (id, expires_at) values ($1, to_timestamp($2))
         on conflict do nothing`,
        [id, expiresAt],
      )
      return rowCount === 1
    },
  }
}

export type IdentityRepository = ReturnType<typeof createIdentityRepository>
