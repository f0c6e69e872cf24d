import type { Db } from '../../db/pool.js'

/** What a code is bound to. The exchange has to present all of it. */
export type CodeBinding = {
  code_hash: Buffer
  client_id: string
  redirect_uri: string
  /** SHA-256 of the code verifier, in base64url (RFC 7636 §4.2). */
  code_challenge: string
}

/** The session that the user authorized with. */
type Authorization = { user_id: string; session_id: string }

/** The most codes of a session. Further ones replace the oldest. */
const codesPerSession = 20

const isBound = 'code_hash = $1 and client_id = $2 and redirect_uri = $3 and code_challenge = $4'

/** All SQL about authorization codes. The clock is the database's. */
export function createAuthorizationRepository(db: Db) {
  return {
    async add(code: CodeBinding & Authorization, ttl: number): Promise<void> {
      const { user_id, session_id } = code
      await db.query(
        `with surplus as (
           delete from authorization_codes where code_hash in (
             select code_hash from authorization_codes where session_id = $6
             order by expires_at desc offset $7 for update skip locked))
         insert into authorization_codes
           (code_hash, client_id, redirect_uri, code_challenge, user_id, session_id, expires_at)
         values ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $8))`,
        [...valuesOf(code), user_id, session_id, codesPerSession - 1, ttl],
      )
    },

    /** Spends a code for the session `openedId`. Returns undefined if it is unknown, expired or spent. */
    async spend(code: CodeBinding, openedId: string): Promise<Authorization | undefined> {
      const { rows } = await db.query<Authorization>(
        `update authorization_codes set opened_id = $5
         where ${isBound} and opened_id is null and expires_at > now()
         returning user_id, session_id`,
        [...valuesOf(code), openedId],
      )
      return rows[0]
    },

    /** Finds a spent code, with the session that its first use opened. */
    async findSpent(
      code: CodeBinding,
    ): Promise<(Authorization & { opened_id: string }) | undefined> {
      const { rows } = await db.query<Authorization & { opened_id: string }>(
        `select user_id, session_id, opened_id from authorization_codes
         where ${isBound} and opened_id is not null`,
        valuesOf(code),
      )
      return rows[0]
    },
  }
}

export type AuthorizationRepository = ReturnType<typeof createAuthorizationRepository>

const valuesOf = ({ code_hash, client_id, redirect_uri, code_challenge }: CodeBinding) => [
  code_hash,
  client_id,
  redirect_uri,
  code_challenge,
]
