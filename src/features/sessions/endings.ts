import { expiresIn, type Denial } from '@gatehouse/verify/protocol'
import type { Db } from '../../db/pool.js'
import type { AuditAddition } from '../audit/repository.js'

export type EndingOptions = {
  /** How long the access tokens of an ended session are denied, in seconds: longer than they live. */
  denyFor: number
  onDenied: (denials: Denial[]) => void
  /** Called with denials of a statement of its own, outside a transaction, if it is unknown whether it was committed. */
  onDoubt: (denials: Denial[]) => void
}

/** The login of the session `s`: the session that the login opened. */
export const loginOf = 'coalesce(s.login_id, s.id)'

/**
 * All SQL that ends sessions. Ending a session ends every session of its login. Each statement also denies
 * the access tokens of the sessions that it ends.
 */
export function createEndings(db: Db, { denyFor, onDenied, onDoubt }: EndingOptions) {
  return {
    /** Ends sessions. It also denies ids without a session, because their access tokens may still be valid. */
    async end(...ids: string[]): Promise<void> {
      const { rows } = await db.query<{ id: string }>(endEachSql(), [ids, denyFor])
      reportDenied(rows)
    },

    /**
     * The same with entries of the audit log. One statement needs no transaction, so a logout is one round trip.
     */
    async endWithEntries(ids: string[], { sql, value }: AuditAddition): Promise<void> {
      const text = endEachSql(`, logged as (${sql(3)})`)
      const running = db.query<{ id: string }>(text, [ids, denyFor, value])
      const { rows } = await running.catch((error: unknown) => {
        onDoubt(ids.map(denialOf))
        throw error
      })
      reportDenied(rows)
    },

    /** Ends one login of the user. Returns the ids of its sessions; none if the user has no such session. */
    async endOf(userId: string, id: string): Promise<string[]> {
      const { rows } = await db.query<{ id: string }>(
        `with ended as (${endSql(`select ${loginOf} from sessions s where s.id = $1 and s.user_id = $2`)})
         ${denySql('ended', 3)} returning id`,
        [id, userId, denyFor],
      )
      reportDenied(rows)
      return rows.map((row) => row.id)
    },

    /**
     * Ends all logins of a user, except that of the session `keptId` if given. What the old app gave an imported user logs in no
     * longer. Returns how many it ended.
     */
    async endAll(userId: string, keptId: string | null = null): Promise<number> {
      const { rows } = await db.query<{ ids: string[]; logins: number }>(
        `with ended as (
           delete from sessions where id in (
             select s.id from sessions s where s.user_id = $1
               and ${loginOf} is distinct from (select ${loginOf} from sessions s where s.id = $2)
             order by s.id for update)
           returning id, coalesce(login_id, id) as login_id
         ), denied as (${denySql('ended', 3)} returning id
         ), closed as (delete from imported_names where user_id = $1)
         select array(select id from denied) as ids,
           (select count(distinct login_id)::integer from ended) as logins`,
        [userId, keptId, denyFor],
      )
      const { ids = [], logins = 0 } = rows[0] ?? {}
      reportDenied(ids.map((id) => ({ id })))
      return logins
    },

    /** Ends the sessions of an app, but not the logins that they belong to. */
    async endOfClient(clientId: string): Promise<void> {
      const { rows } = await db.query<{ id: string }>(
        `with ended as (
           delete from sessions where id in (
             select id from sessions where client_id = $1 order by id for update)
           returning id)
         ${denySql('ended', 2)} returning id`,
        [clientId, denyFor],
      )
      reportDenied(rows)
    },
  }

  function reportDenied(rows: { id: string }[]): void {
    onDenied(rows.map(({ id }) => denialOf(id)))
  }

  function denialOf(id: string): Denial {
    return { id, expires_at: expiresIn(denyFor) }
  }
}

/** Ends and denies the sessions $1 for $2 seconds. `also` is a further query of the statement. */
const endEachSql = (also = '') => `
  with ended as (${endSql(`select ${loginOf} from sessions s where s.id = any ($1)`)})${also}
  ${denySql('(select id from unnest($1::uuid[]) as id union select id from ended)', 2)}
  returning id`

/** Deletes every session of the logins that the query returns. */
const endSql = (logins: string) => `
  delete from sessions where id in (
    select s.id from sessions s where s.id = any (array(${logins})) or s.login_id = any (array(${logins}))
    order by s.id for update)
  returning id`

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
