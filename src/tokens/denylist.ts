import type { Db } from '../db/pool.js'
import { AppError } from '../errors.js'
import type { AccessClaims } from './claims.js'

type Row = { denied: boolean; epoch: number | null }

/** Which tokens that still verify are dead all the same. */
export function createDenylist(db: Db) {
  return {
    /**
     * One indexed query: neither the token nor its session is denied, and the user is as they were
     * when it was issued, or the client is still there.
     * @throws AppError `invalid_token`, `token_stale` when a refresh heals it, `unavailable` when
     *   the database cannot tell
     */
    async requireLive({ jti, sid, sub, epoch }: AccessClaims): Promise<void> {
      const { rows } = await db.query<Row>(
        `select exists (select from token_denylist where id in ($1, $2)) as denied,
           coalesce(
             (select epoch from users where id = $3 and activated_at is not null and disabled_at is null),
             (select 0 from clients where id = $3)) as epoch`,
        [jti, sid, sub],
      )
      const [found] = rows
      if (!found || found.denied || found.epoch === null) throw new AppError('invalid_token')
      if (found.epoch !== epoch) throw new AppError('token_stale')
    },
  }
}

export type Denylist = ReturnType<typeof createDenylist>
