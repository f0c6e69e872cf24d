import { expiresIn } from '@gatehouse/verify/protocol'
import type { Db } from '../../db/pool.js'
import type { TokenSubject } from '../tokens/service.js'
import { createEndings, denySql, type EndingOptions } from './endings.js'
import { createRefreshRule } from './refresh-rule.js'
import { createRotations, createRotationSql } from './rotations.js'
import type { Session } from './schemas.js'

type NewSession = {
  id: string
  user_id: string
  password_hash: string | null
  ttl: number
  user_agent: string | null
  address: string
  /** How many other sessions the user may have. */
  keep: number
}

type SessionLifetimes = {
  /** How long a session lives without a refresh, in seconds. */
  idleTtl: number
  /** How long a spent refresh token still gets the present pair, in seconds. */
  grace: number
}

const enabled = 'u.activated_at is not null and u.disabled_at is null'

/** Makes the SQL that depends on the configuration. */
export function createSessionSql({ idleTtl, grace }: SessionLifetimes) {
  const idleEnd = `s.rotated_at + make_interval(secs => ${String(idleTtl)})`
  const alive = `s.expires_at > now() and ${idleEnd} > now()`
  const subjectColumns = `
    s.id as session_id, s.user_id, s.generation, s.rotated_at,
    least(s.expires_at, ${idleEnd}) as expires_at,
    u.username, case when u.email_verified_at is not null then u.email end as email, u.name, u.epoch,
    array(select role from user_roles where user_id = u.id order by role) as roles`
  const rule = createRefreshRule(grace)
  return {
    idleEnd,
    alive,
    subjectColumns,
    rotations: createRotationSql({ rule, alive, enabled, subjectColumns }),
  }
}

type SessionSql = ReturnType<typeof createSessionSql>

/**
 * All SQL about sessions, with rotations.ts and endings.ts. The clock is the database's, so it is the same
 * for all instances.
 */
export function createSessionRepository(db: Db, sql: SessionSql, endings: EndingOptions) {
  const { idleEnd, alive, subjectColumns, rotations } = sql
  const { denyFor, onDenied } = endings

  return {
    /**
     * Creates a session, sets the time of the last login, and ends the sessions of the user but this one and the
     * `keep` others that were used last. Returns undefined if the account was disabled, or its password changed,
     * after the password was verified. The lock on the user's row makes the session and such a change wait for
     * each other.
     */
    async create({
      id,
      user_id,
      password_hash,
      ttl,
      user_agent,
      address,
      keep,
    }: NewSession): Promise<{ subject: TokenSubject; ended: number } | undefined> {
      const { rowCount } = await db.query(
        `select from users u
         where id = $1 and password_hash is not distinct from $2 and ${enabled} for no key update`,
        [user_id, password_hash],
      )
      if (rowCount === 0) return undefined
      // A statement of its own: it sees what the lock has waited for, such as a change of roles or another login.
      const { rows } = await db.query<TokenSubject & { ended: string[] }>(
        `with s as (
           insert into sessions (id, user_id, user_agent, address, expires_at)
           values ($1, $2, $3, $4, now() + make_interval(secs => $5))
           returning *
         ), ended as (
           delete from sessions where id in (
             select id from sessions where user_id = $2
             order by rotated_at desc, id desc offset $6 for update skip locked)
           returning id
         ), denied as (${denySql('ended', 7)} returning id
         ), login as (
           insert into last_logins (user_id, at) values ($2, now())
           on conflict (user_id) do update set at = excluded.at)
         select ${subjectColumns}, array(select id from denied) as ended
         from s join users u on u.id = s.user_id`,
        [id, user_id, user_agent, address, ttl, keep, denyFor],
      )
      const [row] = rows
      if (!row) return undefined
      const { ended, ...subject } = row
      if (ended.length > 0) {
        const expires_at = expiresIn(denyFor)
        onDenied(ended.map((id) => ({ id, expires_at })))
      }
      return { subject, ended: ended.length }
    },

    /** Lists the valid sessions of a user, the last used first. */
    async list(userId: string): Promise<Omit<Session, 'current'>[]> {
      const { rows } = await db.query<Omit<Session, 'current'>>(
        `select id, user_agent, address, created_at, rotated_at as last_used_at,
           least(expires_at, ${idleEnd}) as expires_at
         from sessions s where user_id = $1 and ${alive} order by rotated_at desc, id`,
        [userId],
      )
      return rows
    },

    /** Whether a session of the user started less than `seconds` ago. */
    async startedWithin(id: string, userId: string, seconds: number): Promise<boolean> {
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
