import { expiresIn, type Denial } from '@gatehouse/verify/protocol'
import type { Db } from '../../db/pool.js'

export type EndingOptions = {
  /** How long the access tokens of an ended session are denied, in seconds: longer than they live. */
  denyFor: number
  onDenied: (denials: Denial[]) => void
}

/** All SQL that ends sessions. Each statement also denies the access tokens of the sessions that it ends. */
export function createEndings(db: Db, { denyFor, onDenied }: EndingOptions) {
  return {
    /** Ends sessions. It also denies ids without a session, because their access tokens may still be valid. */
    async end(...ids: string[]): Promise<void> {
      await db.query(
        `with ended as (
           delete from sessions where id in (
             select id from sessions where id = any ($1) order by id for update)
           returning id)
         ${denySql('(select distinct id from unnest($1::uuid[]) as id, (select count(*) from ended) first)', 2)}`,
        [ids, denyFor],
      )
      reportDenied(ids.map((id) => ({ id })))
    },

    /** Ends one session of the user. Returns false if the user has no such session. */
    async endOf(userId: string, id: string): Promise<boolean> {
      const { rows } = await db.query<{ id: string }>(
        `with ended as (delete from sessions where id = $1 and user_id = $2 returning id)
         ${denySql('ended', 3)} returning id`,
        [id, userId, denyFor],
      )
      reportDenied(rows)
      return rows.length === 1
    },

    /** Ends all sessions of a user, except `keptId` if given. Returns how many it ended. */
    async endAll(userId: string, keptId: string | null = null): Promise<number> {
      const { rows } = await db.query<{ id: string }>(
        `with ended as (
           delete from sessions where id in (
             select id from sessions where user_id = $1 and id is distinct from $2
             order by id for update)
           returning id)
         ${denySql('ended', 3)} returning id`,
        [userId, keptId, denyFor],
      )
      reportDenied(rows)
      return rows.length
    },
  }

  function reportDenied(rows: { id: string }[]): void {
    onDenied(rows.map(({ id }) => ({ id, expires_at: expiresIn(denyFor) })))
  }
}

/**
 * Denies the ids that the query `ended` returns; `seconds` is the number of the parameter `denyFor`.
 * Sessions are always locked before denials, in the order of ids or with `skip locked`, so that no two
 * statements deadlock.
 */
export const denySql = (ended: string, seconds: number) => `
  insert into token_denylist (id, expires_at)
  select id, now() + make_interval(secs => $${String(seconds)}) from ${ended} as ended order by id
  on conflict (id) do update
  set expires_at = excluded.expires_at, xid = excluded.xid, created_at = excluded.created_at`
