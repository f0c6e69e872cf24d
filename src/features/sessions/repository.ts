import type { Db } from '../../db/pool.js'
import type { Grant } from '../tokens/service.js'
import { createEndings, type EndingOptions } from './endings.js'
import { createRefreshRule } from './refresh-rule.js'
import { createRotations, rotationSql } from './rotations.js'
import type { Session } from './schemas.js'

type NewSession = {
  id: string
  user_id: string
  password_hash: string | null
  ttl: number
  user_agent: string | null
  address: string
}

type Lifetimes = {
  /** How long a session lives without a refresh, in seconds. */
  idleTtl: number
  /** How long every spent refresh token gets the present one, in seconds. */
  grace: number
}

const enabled = 'u.activated_at is not null and u.disabled_at is null'

/** The parts of the SQL that depend on the configuration. */
export function sessionSql({ idleTtl, grace }: Lifetimes) {
  const idleEnd = `s.rotated_at + make_interval(secs => ${String(idleTtl)})`
  const alive = `s.expires_at > now() and ${idleEnd} > now()`
  const grantColumns = `
    s.id as session_id, s.user_id, s.generation, s.rotated_at,
    least(s.expires_at, ${idleEnd}) as expires_at,
    u.username, case when u.email_verified_at is not null then u.email end as email, u.name, u.epoch,
    array(select role from user_roles where user_id = u.id order by role) as roles`
  const rule = createRefreshRule(grace)
  return {
    idleEnd,
    alive,
    grantColumns,
    rotations: rotationSql({ rule, alive, enabled, grantColumns }),
  }
}

type SessionSql = ReturnType<typeof sessionSql>

/**
 * The only SQL about sessions, with that of refreshing and of their ends. The clock is the database's:
 * all instances have the same one.
 */
export function createSessionRepository(db: Db, sql: SessionSql, endings: EndingOptions) {
  const { idleEnd, alive, grantColumns, rotations } = sql

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

    ...createRotations(db, rotations),
    ...createEndings(db, endings),
  }
}

export type SessionRepository = ReturnType<typeof createSessionRepository>
