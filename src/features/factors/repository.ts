import type { Db } from '../../db/pool.js'
import { createChallenges } from './challenges-repository.js'
import { createTrustedDevices } from './trusted-devices-repository.js'

/** The authenticator app of a user. Secrets are sealed. */
export type StoredTotp = {
  secret: Buffer | null
  confirmed_at: string | null
  /** A secret that a code has not confirmed yet. */
  pending: Buffer | null
}

/** All SQL about second factors. The clock is the database's, except for the time steps of codes. */
export function createFactorRepository(db: Db) {
  return {
    /** Locks a user, as every change of factors does first, so that there is no deadlock. */
    async lockOwner(userId: string): Promise<void> {
      await db.query('select from users where id = $1 for no key update', [userId])
    },

    async findTotp(userId: string): Promise<StoredTotp | undefined> {
      const { rows } = await db.query<StoredTotp>(
        `select secret, confirmed_at, case when pending_until > now() then pending end as pending
         from totp_factors where user_id = $1`,
        [userId],
      )
      return rows[0]
    },

    /** Stores a secret that waits for its confirmation, `ttl` seconds at most. */
    async putPending(userId: string, secret: Buffer, ttl: number): Promise<void> {
      await db.query(
        `insert into totp_factors (user_id, pending, pending_until)
         values ($1, $2, now() + make_interval(secs => $3))
         on conflict (user_id) do update
         set pending = excluded.pending, pending_until = excluded.pending_until`,
        [userId, secret, ttl],
      )
    },

    /** Makes the waiting secret the present one. The step of the code that confirmed it is used. */
    async confirm(userId: string, step: number): Promise<boolean> {
      const { rowCount } = await db.query(
        `update totp_factors set secret = pending, confirmed_at = now(), last_step = $2,
           pending = null, pending_until = null
         where user_id = $1 and pending_until > now()`,
        [userId, step],
      )
      return rowCount === 1
    },

    /** Uses a time step. Returns false if it, or a later one, was used before (RFC 6238 §5.2). */
    async spendStep(userId: string, step: number): Promise<boolean> {
      const { rowCount } = await db.query(
        `update totp_factors set last_step = $2
         where user_id = $1 and secret is not null and last_step < $2`,
        [userId, step],
      )
      return rowCount === 1
    },

    /** Uses a recovery code up. */
    async spendCode(userId: string, hash: Buffer): Promise<boolean> {
      const { rowCount } = await db.query(
        'delete from recovery_codes where user_id = $1 and code_hash = $2',
        [userId, hash],
      )
      return rowCount === 1
    },

    async replaceCodes(userId: string, hashes: Buffer[]): Promise<void> {
      await db.query('delete from recovery_codes where user_id = $1', [userId])
      await db.query(
        'insert into recovery_codes (user_id, code_hash) select $1, unnest($2::bytea[])',
        [userId, hashes],
      )
    },

    async countCodes(userId: string): Promise<number> {
      const { rows } = await db.query<{ count: number }>(
        'select count(*)::integer as count from recovery_codes where user_id = $1',
        [userId],
      )
      return rows[0]?.count ?? 0
    },

    /** Removes every factor, and what depends on them. Returns false if the user has none. */
    async remove(userId: string): Promise<boolean> {
      await db.query('delete from recovery_codes where user_id = $1', [userId])
      await db.query('delete from trusted_devices where user_id = $1', [userId])
      await db.query('delete from login_challenges where user_id = $1', [userId])
      const { rows } = await db.query<{ had: boolean }>(
        'delete from totp_factors where user_id = $1 returning secret is not null as had',
        [userId],
      )
      return rows[0]?.had === true
    },

    ...createChallenges(db),
    ...createTrustedDevices(db),
  }
}

export type FactorRepository = ReturnType<typeof createFactorRepository>
