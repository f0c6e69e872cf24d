import type { Db } from '../../db/pool.js'

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
/** The most challenges of a user. Further ones replace the oldest. */
const perUser = 20

const challengeColumns = 'user_id, password_version, is_enrolment, amr, detail'
const isOpen = `token_hash = $1 and expires_at > now()
  and (binding_hash is null or binding_hash = $2)`

/** The SQL about logins that wait for a second factor. */
export function createChallenges(db: Db) {
  return {
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
  }
}
