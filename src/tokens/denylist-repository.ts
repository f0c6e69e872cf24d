import type { Db } from '../db/pool.js'

/** The only SQL that denies what has no session; what is denied stays so for `denyFor` seconds. */
export function createDenylistRepository(on: Db, denyFor: number) {
  return {
    /** Of a `jti` that one token, of a `sid` every token that bears it. */
    async deny(id: string): Promise<void> {
      await on.query(
        `insert into token_denylist (id, expires_at)
         values ($1, now() + make_interval(secs => $2)) on conflict (id) do nothing`,
        [id, denyFor],
      )
    },
  }
}

export type DenylistRepository = ReturnType<typeof createDenylistRepository>
