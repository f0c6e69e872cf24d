import type { Db } from '../db/pool.js'
import type { Grant } from '../tokens/service.js'

/** Where a login came from. */
export type Client = { user_agent: string | null; address: string }

type NewSession = {
  id: string
  user_id: string
  password_hash: string
  ttl: number
  client: Client
}

type Place = { in_grace: boolean; grant: Grant }

const grantColumns = `
  s.id as session_id, s.user_id, s.generation, s.rotated_at, s.expires_at, u.epoch,
  array(select role from user_roles where user_id = u.id order by role) as roles`

const enabled = 'u.activated_at is not null and u.disabled_at is null'

// Any number will do, as long as nothing else of this service locks it.
const pruneLock = 4_728_102

/** The only SQL about sessions. The clock is the database's: all instances have the same one. */
export function createSessionRepository(db: Db) {
  return {
    /** Undefined when the account was disabled, or its password changed, while it was being verified. */
    async create({
      id,
      user_id,
      password_hash,
      ttl,
      client,
    }: NewSession): Promise<Grant | undefined> {
      const { rows } = await db.query<Grant>(
        `with s as (
           insert into sessions (id, user_id, user_agent, address, expires_at)
           select $1, id, $4, $5, now() + make_interval(secs => $6)
           from users u where id = $2 and password_hash = $3 and ${enabled}
           returning *
         )
         select ${grantColumns} from s join users u on u.id = s.user_id`,
        [id, user_id, password_hash, client.user_agent, client.address, ttl],
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

    /**
     * Ends one session and denies its access tokens for as long as they could live (seconds). The
     * session goes first, as in endAll, so that the two cannot wait for each other.
     */
    async end(id: string, denyFor: number): Promise<void> {
      await db.query(
        `with ended as (delete from sessions where id = $1 returning 1),
         counted as (select count(*) from ended)
         insert into token_denylist (id, expires_at)
         select $1::uuid, now() + make_interval(secs => $2) from counted
         on conflict (id) do nothing`,
        [id, denyFor],
      )
    },

    /** Ends every session of a user. */
    async endAll(userId: string, denyFor: number): Promise<void> {
      await db.query(
        `with ended as (delete from sessions where user_id = $1 returning id)
         insert into token_denylist (id, expires_at)
         select id, now() + make_interval(secs => $2) from ended on conflict (id) do nothing`,
        [userId, denyFor],
      )
    },

    /**
     * Removes what time has ended, so much at a time that no lock is held for long; one instance at
     * a time does, and the others need not. How many rows went.
     */
    async prune(most = 1_000): Promise<number> {
      const { rowCount } = await db.query(
        `with turn as (select pg_try_advisory_xact_lock(${pruneLock}) as mine),
         old_sessions as (
           delete from sessions where id in (
             select id from sessions, turn where mine and expires_at < now() limit $1) returning 1),
         old_denials as (
           delete from token_denylist where id in (
             select id from token_denylist, turn where mine and expires_at < now() limit $1) returning 1)
         select from old_sessions union all select from old_denials`,
        [most],
      )
      return rowCount
    },
  }
}

export type SessionRepository = ReturnType<typeof createSessionRepository>
