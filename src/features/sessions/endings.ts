import { soon, type Denial } from '@gatehouse/verify/protocol'
import type { Db } from '../../db/pool.js'

export type EndingOptions = {
  /** How long the access tokens of an ended session are denied, in seconds: longer than they live. */
  denyFor: number
  onDenied: (denials: Denial[]) => void
}

/** The SQL that ends sessions: each end denies the session's access tokens in the same statement. */
export function createEndings(db: Db, { denyFor, onDenied }: EndingOptions) {
  return {
    /** Ends sessions. One that is not there is denied too: its token may live. */
    async end(...ids: string[]): Promise<void> {
      await db.query(
        `with ended as (
           delete from sessions where id in (
             select id from sessions where id = any ($1) order by id for update)
           returning id)
         ${deny('(select distinct id from unnest($1::uuid[]) as id, (select count(*) from ended) first)', 2)}`,
        [ids, denyFor],
      )
      denied(ids.map((id) => ({ id })))
    },

    /** Ends one session if it is the user's; whether it was. */
    async endOf(userId: string, id: string): Promise<boolean> {
      const { rows } = await db.query<{ id: string }>(
        `with ended as (delete from sessions where id = $1 and user_id = $2 returning id)
         ${deny('ended', 3)} returning id`,
        [id, userId, denyFor],
      )
      denied(rows)
      return rows.length === 1
    },

    /** Ends what a user has beyond so many others than this one, those used last kept; how many. */
    async endOldest(userId: string, except: string, keep: number): Promise<number> {
      const { rows } = await db.query<{ id: string }>(
        `with ended as (
           delete from sessions where id in (
             select id from sessions where user_id = $1 and id <> $2
             order by rotated_at desc, id desc offset $3 for update skip locked)
           returning id)
         ${deny('ended', 4)} returning id`,
        [userId, except, keep, denyFor],
      )
      denied(rows)
      return rows.length
    },

    /** Ends every session of a user, or all but one; how many. */
    async endAll(userId: string, except: string | null = null): Promise<number> {
      const { rows } = await db.query<{ id: string }>(
        `with ended as (
           delete from sessions where id in (
             select id from sessions where user_id = $1 and id is distinct from $2
             order by id for update)
           returning id)
         ${deny('ended', 3)} returning id`,
        [userId, except, denyFor],
      )
      denied(rows)
      return rows.length
    },
  }

  function denied(rows: { id: string }[]): void {
    onDenied(rows.map(({ id }) => ({ id, expires_at: soon(denyFor) })))
  }
}

/**
 * The sessions go first, everywhere, and all in the order of their ids: no two ends wait for each other.
 */
const deny = (ended: string, seconds: number) => `
  insert into token_denylist (id, expires_at)
  select id, now() + make_interval(secs => $${String(seconds)}) from ${ended} as ended order by id
  on conflict (id) do update
  set expires_at = excluded.expires_at, xid = excluded.xid, created_at = excluded.created_at`
