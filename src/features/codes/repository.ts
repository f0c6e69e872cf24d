import type { Db } from '../../db/pool.js'
import type { AddressKind } from '../identifiers/identifiers.js'
import type { Asker } from './asker.js'
import type { CodeHashes } from './secrets.js'

export type Purpose =
  'activation' | 'password_reset' | 'email_change' | 'mobile_change' | 'address_claim'

/** A one-time code, without its secrets. */
export type OneTimeCode = {
  id: string
  user_id: string
  purpose: Purpose
  kind: AddressKind
  address: string
  address_canonical: string
}

export type GuessedCode = OneTimeCode & { is_right: boolean }

type NewCode = OneTimeCode &
  CodeHashes & { code_ttl: number; link_ttl: number; asker: Asker | null }

/**
 * The most wrong guesses at a typed code (ASVS 6.5.1). The asker has this many, and all others together
 * have as many. Neither uses up the guesses of the other. The link is not affected.
 */
export const maxAttempts = 5

const columns = 'id, user_id, purpose, kind, address, address_canonical'

/** All SQL about one-time codes. The clock is the database's. */
export function createCodeRepository(db: Db) {
  return {
    /** Stores a code, in place of the user's code for the same purpose. Lifetimes are in seconds. */
    async put(code: NewCode): Promise<void> {
      await db.query(
        `insert into one_time_codes (${columns}, link_hash, code_hash, code_expires_at, link_expires_at,
           asker_network, asker_cookie)
         values ($1, $2, $3, $4, $5, $6, $7, $8,
           now() + make_interval(secs => $9), now() + make_interval(secs => $10), $11, $12)
         on conflict (user_id, purpose) do update set
           id = excluded.id, kind = excluded.kind, address = excluded.address,
           address_canonical = excluded.address_canonical, link_hash = excluded.link_hash,
           code_hash = excluded.code_hash, attempts = 0, asker_attempts = 0,
           asker_network = excluded.asker_network, asker_cookie = excluded.asker_cookie, used_at = null, created_at = now(),
           code_expires_at = excluded.code_expires_at, link_expires_at = excluded.link_expires_at`,
        [
          code.id,
          code.user_id,
          code.purpose,
          code.kind,
          code.address,
          code.address_canonical,
          code.link_hash,
          code.code_hash,
          code.code_ttl,
          code.link_ttl,
          code.asker?.network ?? null,
          code.asker?.cookie ?? null,
        ],
      )
    },

    async findByLink(purposes: Purpose[], linkHash: Buffer): Promise<OneTimeCode | undefined> {
      const { rows } = await db.query<OneTimeCode>(
        `select ${columns} from one_time_codes
         where link_hash = $1 and purpose = any ($2) and used_at is null and link_expires_at > now()`,
        [linkHash, purposes],
      )
      return rows[0]
    },

    /**
     * Checks a typed code. Each wrong guess is counted, also when many arrive at once. Returns undefined if
     * the address has no valid code.
     */
    async guess(
      purposes: Purpose[],
      { kind, canonical }: { kind: AddressKind; canonical: string },
      codeHash: Buffer,
      { network, cookie }: Asker,
    ): Promise<GuessedCode | undefined> {
      const isAsker = 'coalesce(asker_network = $5, false) or coalesce(asker_cookie = $6, false)'
      const { rows } = await db.query<GuessedCode>(
        `update one_time_codes set
           attempts = attempts + (not (${isAsker}) and code_hash <> $4)::integer,
           asker_attempts = asker_attempts + ((${isAsker}) and code_hash <> $4)::integer
         where address_canonical = $1 and purpose = any ($2) and kind = $3
           and used_at is null and code_expires_at > now()
           and case when ${isAsker} then asker_attempts else attempts end < ${maxAttempts}
         returning ${columns}, code_hash = $4 as is_right`,
        [canonical, purposes, kind, codeHash, network, cookie],
      )
      return rows.find(({ is_right }) => is_right) ?? rows[0]
    },

    /** Uses up a code. Of parallel calls one gets true, if the code is valid. */
    async redeem(id: string): Promise<boolean> {
      const { rowCount } = await db.query(
        `update one_time_codes set used_at = now()
         where id = $1 and used_at is null and link_expires_at > now()`,
        [id],
      )
      return rowCount === 1
    },

    /**
     * Deletes all codes of a user except those of the purpose `except`, as a change of address or password
     * requires. An address claim stays, because it belongs to the claimant.
     */
    async deleteAll(userId: string, except?: Purpose): Promise<void> {
      await db.query(
        `delete from one_time_codes where user_id = $1 and purpose is distinct from $2
           and purpose <> 'address_claim'`,
        [userId, except ?? null],
      )
    },
  }
}

export type CodeRepository = ReturnType<typeof createCodeRepository>
