import type { Db } from '../db/pool.js'
import type { Grant } from '../tokens/service.js'
import { createEndings, type EndingOptions } from './endings.js'
import type { Session } from './schemas.js'

type NewSession = {
  id: string
  user_id: string
  password_hash: string | null
  ttl: number
  user_agent: string | null
  address: string
}

/** From one generation of a session to the next. */
export type Step = { id: string; user_id: string; generation: number }

/** `lost`: who has the token before the present one may not have got the present one. */
type Place = { lost: boolean; grant: Grant }

type Options = EndingOptions & {
  /** How long a session lives without a refresh, in seconds. */
  idleTtl: number
}

const enabled = 'u.activated_at is not null and u.disabled_at is null'

/** The only SQL about sessions, with that of their ends. The clock is the database's: all instances have the same one. */
export function createSessionRepository(db: Db, options: Options) {
  const idleEnd = `s.rotated_at + make_interval(secs => ${String(options.idleTtl)})`
  const alive = `s.expires_at > now() and ${idleEnd} > now()`
  const grantColumns = `
    s.id as session_id, s.user_id, s.generation, s.rotated_at,
    least(s.expires_at, ${idleEnd}) as expires_at,
    u.username, case when u.email_verified_at is not null then u.email end as email, u.name, u.epoch,
    array(select role from user_roles where user_id = u.id order by role) as roles`

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
    async rotate({ id, user_id, generation }: Step): Promise<Grant | undefined> {
      const { rows } = await db.query<Grant>(
        `update sessions s set generation = generation + 1, rotated_at = now()
         from users u
         where s.id = $1 and s.user_id = $2 and s.generation = $3 and ${alive}
           and u.id = s.user_id and ${enabled}
         returning ${grantColumns}`,
        [id, user_id, generation],
      )
      return rows[0]
    },

    /**
     * The same for many at once. A session that somebody else has locked is passed over, so that none
     * waits for another, nor two statements for each other.
     */
    async rotateFree(steps: Step[]): Promise<Grant[]> {
      const { rows } = await db.query<Grant>(
        `with free as (
           select s.id, s.generation from sessions s
             join unnest($1::uuid[], $2::uuid[], $3::integer[]) as step (id, user_id, generation)
             on s.id = step.id and s.user_id = step.user_id and s.generation = step.generation
           where ${alive}
           for no key update of s skip locked
         )
         update sessions s set generation = s.generation + 1, rotated_at = now()
         from free, users u
         where s.id = free.id and s.generation = free.generation and u.id = s.user_id and ${enabled}
         returning ${grantColumns}`,
        [
          steps.map(({ id }) => id),
          steps.map(({ user_id }) => user_id),
          steps.map(({ generation }) => generation),
        ],
      )
      return rows
    },

    /** Where a living session stands; `lost` too for so many seconds after it moved there. */
    async find(id: string, userId: string, grace: number): Promise<Place | undefined> {
      const { rows } = await db.query<Grant & { lost: boolean }>(
        `select ${grantColumns}, s.used_generation < s.generation
           or s.rotated_at > now() - make_interval(secs => $3) as lost
         from sessions s join users u on u.id = s.user_id
         where s.id = $1 and s.user_id = $2 and ${alive} and ${enabled}`,
        [id, userId, grace],
      )
      const [row] = rows
      if (!row) return undefined
      const { lost, ...grant } = row
      return { lost, grant }
    },

    /**
     * What these sessions have used, by their ids and generations. A row that is locked is passed over:
     * it moves on, ends, or is being marked, and nobody waits for somebody else's marks.
     */
    async markUsed(ids: string[], generations: number[]): Promise<void> {
      await db.query(
        `update sessions set used_generation = generation where id in (
           select s.id from sessions s join unnest($1::uuid[], $2::integer[]) as used (id, generation)
             on used.id = s.id and used.generation = s.generation
           where s.used_generation < s.generation
           for no key update of s skip locked)`,
        [ids, generations],
      )
    },

    /** The living sessions of a user, the one used last first. */
    async list(userId: string): Promise<Omit<Session, 'current'>[]> {
      const { rows } = await db.query<Omit<Session, 'current'>>(
        `select id, user_agent, address, created_at, rotated_at as last_used_at,
           least(expires_at, ${idleEnd}) as expires_at
         from sessions s where user_id = $1 and ${alive} order by rotated_at desc, id`,
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

    ...createEndings(db, options),
  }
}

export type SessionRepository = ReturnType<typeof createSessionRepository>
