import type { Db } from '../db/pool.js'
import type { AddressKind } from '../users/identifiers.js'
import type { CodeHashes } from './secrets.js'

export type Purpose =
  'activation' | 'password_reset' | 'email_change' | 'mobile_change' | 'address_claim'

/** What a code that was proven stands for. */
export type OneTimeCode = {
  id: string
  user_id: string
  purpose: Purpose
  kind: AddressKind
  address: string
  address_canonical: string
}

type NewCode = OneTimeCode & CodeHashes & { code_ttl: number; link_ttl: number }

/** Wrong guesses after which a typed code is dead (ASVS 6.5.1); its link, which nobody guesses, is not. */
export const maxAttempts = 5

const columns = 'id, user_id, purpose, kind, address, address_canonical'

/** The only SQL about one-time codes. The clock is the database's. */
export function createCodeRepository(db: Db) {
  return {
    /** Takes the place of the code that the user had for the same purpose. Lifetimes in seconds. */
    async put(code: NewCode): Promise<void> {
      await db.query(
        `insert into one_time_codes (${columns}, link_hash, code_hash, code_expires_at, link_expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8,
           now() + make_interval(secs => $9), now() + make_interval(secs => $10))
         on conflict (user_id, purpose) do update set
           id = excluded.id, kind = excluded.kind, address = excluded.address,
           address_canonical = excluded.address_canonical, link_hash = excluded.link_hash,
           code_hash = excluded.code_hash, attempts = 0, used_at = null, created_at = now(),
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

    /** One guess: a wrong one is counted, exactly, however many come at once. */
    async guess(
      purposes: Purpose[],
      { kind, canonical }: { kind: AddressKind; canonical: string },
      codeHash: Buffer,
    ): Promise<OneTimeCode | undefined> {
      const { rows } = await db.query<OneTimeCode & { is_right: boolean }>(
        `update one_time_codes
         set attempts = attempts + case when code_hash = $4 then 0 else 1 end
         where address_canonical = $1 and purpose = any ($2) and kind = $3
           and used_at is null and code_expires_at > now() and attempts < ${maxAttempts}
         returning ${columns}, code_hash = $4 as is_right`,
        [canonical, purposes, kind, codeHash],
      )
      return rows.find(({ is_right }) => is_right)
    },

    /** Uses a code up: true for exactly one of all who try, and only while it is alive. */
    async redeem(id: string): Promise<boolean> {
      const { rowCount } = await db.query(
        `update one_time_codes set used_at = now()
         where id = $1 and used_at is null and link_expires_at > now()`,
        [id],
      )
      return rowCount === 1
    },

    /**
     * Every code of a user dies: after a change of address or password none may be left. One that claims
     * an address is not the user's but the claimant's, and stays.
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
