import type { Db } from '../../db/pool.js'
import type { TrustedDevice } from './schemas.js'

/** The authenticator app of a user. Secrets are sealed. */
export type StoredTotp = {
  secret: Buffer | null
  confirmed_at: string | null
  /** A secret that a code has not confirmed yet. */
  pending: Buffer | null
}

export type NewChallenge = {
  token_hash: Buffer
  user_id: string
  password_version: number
  is_enrolment: boolean
  binding_hash: Buffer | null
  amr: string[] | null
  detail: Record<string, string>
  /** In seconds. */
  ttl: number
}

export type Challenge = Pick<
  NewChallenge,
  'user_id' | 'password_version' | 'is_enrolment' | 'amr' | 'detail'
>

/** The most tries of a challenge. */
const maxAttempts = 5
/** The most challenges and trusted devices of a user. Further ones replace the oldest. */
const perUser = 20

const challengeColumns = 'user_id, password_version, is_enrolment, amr, detail'
const isOpen = `token_hash = $1 and expires_at > now()
  and (binding_hash is null or binding_hash = $2)`

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

    async putChallenge(challenge: NewChallenge): Promise<void> {
      const { token_hash, user_id, password_version, is_enrolment, binding_hash } = challenge
      await db.query(
        `with surplus as (
           delete from login_challenges where token_hash in (
             select token_hash from login_challenges where user_id = $2
             order by created_at desc offset $9 for update skip locked))
         insert into login_challenges (token_hash, user_id, password_version, is_enrolment,
           binding_hash, amr, detail, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, now() + make_interval(secs => $8))`,
        [
          token_hash,
          user_id,
          password_version,
          is_enrolment,
          binding_hash,
          challenge.amr,
          challenge.detail,
          challenge.ttl,
          perUser - 1,
        ],
      )
    },

    /** Reads a challenge. Undefined if it is unknown, expired or of another browser. */
    async findChallenge(hash: Buffer, binding: Buffer | null): Promise<Challenge | undefined> {
      const { rows } = await db.query<Challenge>(
        `select ${challengeColumns} from login_challenges
         where ${isOpen} and attempts < ${String(maxAttempts)}`,
        [hash, binding],
      )
      return rows[0]
    },

    /** As findChallenge, and counts a try. */
    async tryChallenge(hash: Buffer, binding: Buffer | null): Promise<Challenge | undefined> {
      const { rows } = await db.query<Challenge>(
        `update login_challenges set attempts = attempts + 1
         where ${isOpen} and attempts < ${String(maxAttempts)} returning ${challengeColumns}`,
        [hash, binding],
      )
      return rows[0]
    },

    /** Uses a challenge up: of parallel requests, one gets true. */
    async endChallenge(hash: Buffer): Promise<boolean> {
      const { rowCount } = await db.query('delete from login_challenges where token_hash = $1', [
        hash,
      ])
      return rowCount === 1
    },

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

export type FactorRepository = ReturnType<typeof createFactorRepository>
