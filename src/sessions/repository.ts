import type { Db } from '../db/pool.js'
import { soon, type Denial } from '../denylist/entries.js'
import type { Grant } from '../tokens/service.js'
import type { Session } from './schemas.js'

type NewSession = {
  id: string
  user_id: string
  password_hash: string | null
  ttl: number
  user_agent: string | null
  address: string
}

type Place = { in_grace: boolean; grant: Grant }

const grantColumns = `
  s.id as session_id, s.user_id, s.generation, s.rotated_at, s.expires_at,
  u.username, u.email, u.name, u.epoch,
  array(select role from user_roles where user_id = u.id order by role) as roles`

const enabled = 'u.activated_at is not null and u.disabled_at is null'

/**
 * The only SQL about sessions. The clock is the database's: all instances have the same one. An end
 * denies the session's access tokens for `denyFor` seconds, longer than they could live.
 */
export function createSessionRepository(
  db: Db,
  denyFor: number,
  onDenied: (denials: Denial[]) => void,
) {
  return {
    /**
     * Undefined when the account was disabled, or its password changed, while it was being verified.
     * The share lock makes it wait for such a change, and such a change for it: no session slips by.
     */
    async create({
      id,
      user_id,
      password_hash,
      ttl,
      user_agent,
      address,
    }: NewSession): Promise<Grant | undefined> {
      const { rows } = await db.query<Grant>(
        `with u as (
           select * from users u where id = $2 and password_hash is not distinct from $3 and ${enabled} for share
         ), s as (
           insert into sessions (id, user_id, user_agent, address, expires_at)
           select $1, id, $4, $5, now() + make_interval(secs => $6) from u
           returning *
         )
         select ${grantColumns} from s join u on u.id = s.user_id`,
        [id, user_id, password_hash, user_agent, address, ttl],
      )
      return rows[0]
    },

    /** Moves a session on by one generation, for the one caller who names the present one. */
    async rotate(id: string, userId: string, generation: number): Promise<Grant | undefined> {
      const { rows } = await db.query<Grant>(
        `update sessions s set generation = generation + 1, rotated_at = now()
         from users u
         where s.id = $1 and s.user_id = $2 and s.generation = $3 and s.expires_at > now()
           and u.id = s.user_id and ${enabled}
         returning ${grantColumns}`,
        [id, userId, generation],
      )
      return rows[0]
    },

    /** Where a living session stands, and whether it moved there within the grace (seconds). */
    async find(id: string, userId: string, grace: number): Promise<Place | undefined> {
      const { rows } = await db.query<Grant & { in_grace: boolean }>(
        `select ${grantColumns}, s.rotated_at > now() - make_interval(secs => $3) as in_grace
         from sessions s join users u on u.id = s.user_id
         where s.id = $1 and s.user_id = $2 and s.expires_at > now() and ${enabled}`,
        [id, userId, grace],
      )
      const [row] = rows
      if (!row) return undefined
      const { in_grace, ...grant } = row
      return { in_grace, grant }
    },

    /** The living sessions of a user, the one used last first. */
    async list(userId: string): Promise<Omit<Session, 'current'>[]> {
      const { rows } = await db.query<Omit<Session, 'current'>>(
        `select id, user_agent, address, created_at, rotated_at as last_used_at, expires_at
         from sessions where user_id = $1 and expires_at > now() order by rotated_at desc, id`,
        [userId],
      )
      return rows
    },

    /** Whether a session of the user began less than so many seconds ago. */
    async isFresh(id: string, userId: string, seconds: number): Promise<boolean> {
      const { rowCount } = await db.query(
        `select from sessions where id = $1 and user_id = $2
           and created_at > now() - make_interval(secs => $3)`,
        [id, userId, seconds],
      )
      return rowCount === 1
    },

    /** Ends one session; whether it was there. What is not there is denied too: its token may live. */
    async end(id: string): Promise<boolean> {
      const { rows } = await db.query<{ found: boolean }>(
        `with ended as (delete from sessions where id = $1 returning id),
         denied as (${deny('(select $1::uuid as id from (select count(*) from ended) first)', 2)})
         select exists (select from ended) as found`,
        [id, denyFor],
      )
      denied([{ id }])
      return rows[0]?.found ?? false
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

    /** Ends every session of a user, or all but one; how many. */
    async endAll(userId: string, except: string | null = null): Promise<number> {
      const { rows } = await db.query<{ id: string }>(
        `with ended as (
           delete from sessions where user_id = $1 and id is distinct from $2 returning id)
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

/** The sessions go first, everywhere, so that no two ends of one wait for each other. */
const deny = (ended: string, seconds: number) => `
  insert into token_denylist (id, expires_at)
  select id, now() + make_interval(secs => $${String(seconds)}) from ${ended} as ended
  on conflict (id) do update
  set expires_at = excluded.expires_at, xid = excluded.xid, created_at = excluded.created_at`

export type SessionRepository = ReturnType<typeof createSessionRepository>
