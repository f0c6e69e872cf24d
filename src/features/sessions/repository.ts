import { expiresIn } from '@gatehouse/verify/protocol'
import type { Db } from '../../db/pool.js'
import type { FactorMode } from '../factors/policy.js'
import type { TokenSubject } from '../tokens/service.js'
import { createEndings, denySql, loginOf, type EndingOptions } from './endings.js'
import { createRotations } from './rotations.js'
import type { Session } from './schemas.js'
import {
  authTime,
  enabled,
  factorOf,
  provenBy,
  isNewsSql,
  noteLoginSql,
  type SessionSql,
} from './session-sql.js'

type NewSession = {
  id: string
  user_id: string
  password_hash: string | null
  ttl: number
  user_agent: string | null
  address: string
  /** How the user proved who they are: the claim `amr`. */
  amr: string[] | null
  /** When the user logged in; null for now. */
  auth_time: string | null
  /** A session of the user in the same browser: the new session joins its login. */
  joined_id: string | null
  /** Whether a second factor was given. Without one, a user who has a factor gets no session. */
  has_factor: boolean
  /** Whether the device has shown that it knows the account. */
  is_known: boolean
  /** See known-devices.ts. */
  device: string
  /** How many other logins the user may have, and how many further sessions a login. */
  keep: number
}

type Created = {
  /** How many logins of the user it ended. */
  ended: number
  /** Whether the account does not know the device. */
  is_news: boolean
}

type RelatedSession = {
  id: string
  user_id: string
  /** The session that got the code. */
  from_id: string
  /** The client that exchanged it; null for Gatehouse itself. */
  client_id: string | null
  /** The host of an app, if the session is for forward-auth there. */
  host: string | null
  user_agent: string | null
  address: string
  /** How many other sessions the login may have. */
  keep: number
}

/**
 * All SQL about sessions, with session-sql.ts, rotations.ts and endings.ts. The clock is the database's, so it is the same
 * for all instances.
 */
export function createSessionRepository(db: Db, sql: SessionSql, endings: EndingOptions) {
  const { idleEnd, alive, complete, subjectColumns, rotations } = sql
  const { denyFor, onDenied } = endings

  return {
    /**
     * Creates a session, sets the time of the last login, and ends the logins of the user but this one and the
     * `keep` others that were used last. Returns undefined if the account was disabled, its password changed, or the user
     * added a second factor or came to need one after the password was verified. The lock on the user's row makes the
     * session and such a change wait for each other. A session that joins a login lives no longer than that.
     */
    async create({
      id,
      user_id,
      password_hash,
      ttl,
      user_agent,
      address,
      amr,
      auth_time,
      joined_id,
      has_factor,
      is_known,
      device,
      keep,
    }: NewSession): Promise<(Created & { subject: TokenSubject }) | undefined> {
      const { rowCount } = await db.query(
        `select from users u
         where id = $1 and password_hash is not distinct from $2 and ${enabled}
         for no key update`,
        [user_id, password_hash],
      )
      if (rowCount === 0) return undefined
      // A statement of its own: it sees what the lock has waited for, such as a change of roles, a factor or another login.
      const { rows } = await db.query<TokenSubject & Created & { denied: string[] }>(
        `with joined as (
           select id, expires_at from sessions
           where id = (select ${loginOf} from sessions s where s.id = $9 and s.user_id = $2)
             and expires_at > now() for key share
         ), s as (
           insert into sessions (id, user_id, user_agent, address, expires_at, login_id, auth_time, amr)
           select $1, $2, $3, $4, least(now() + make_interval(secs => $5), joined.expires_at), joined.id,
             coalesce($10, case when joined.id is not null then now() end), $8
           from (select) one left join joined on true
           where ${complete}
           returning *
         ), ended as (
           delete from sessions where id in (
             select id from sessions where id in (
               select ${loginOf} from sessions s
               where s.user_id = $2 and ${loginOf} is distinct from (select id from joined)
                 and exists (select from s)
               group by 1 order by max(s.rotated_at) desc, 1 desc offset $6)
             for update skip locked)
           returning id
         ), surplus as (${endSurplusSql('(select id from joined where exists (select from s))', 6)}
         ), denied as (${denySql(
           `(select id from ended union select id from surplus
             union select id from sessions where login_id in (select id from ended))`,
           7,
         )} returning id
         ), login as (${noteLoginSql('s')})
         select ${subjectColumns}, array(select id from denied) as denied,
           (select count(*) from ended)::integer as ended,
           not $12 and ${isNewsSql} as is_news
         from s join users u on u.id = s.user_id`,
        [
          ...[id, user_id, user_agent, address, ttl, keep, denyFor, amr, joined_id, auth_time],
          ...[has_factor, is_known, device],
        ],
      )
      const [row] = rows
      if (!row) return undefined
      const { denied, ended, is_news, ...subject } = row
      reportDenied(denied)
      return { subject, ended, is_news }
    },

    /**
     * Opens a session of an app, or of its host, within the login of the session `from_id`, and ends those of the login that were
     * used least recently. Returns undefined unless that session is valid and its user enabled.
     */
    async openRelated(session: RelatedSession): Promise<TokenSubject | undefined> {
      const { id, user_id, from_id, client_id, host, user_agent, address, keep } = session
      const { rows } = await db.query<TokenSubject & { denied: string[] }>(
        `with first as (
           select login.id as login_id, s.expires_at, ${authTime} as auth_time, s.amr
           from sessions s join sessions login on login.id = ${loginOf}
             join users u on u.id = s.user_id
           where s.id = $3 and s.user_id = $2 and ${alive} and ${enabled}
           for key share of s, login
         ), s as (
           insert into sessions
             (id, user_id, user_agent, address, expires_at, login_id, client_id, auth_time, amr, host)
           select $1, $2, $5, $6, expires_at, login_id, $4, auth_time, amr, $9 from first
           returning *
         ), surplus as (${endSurplusSql('(select login_id from first)', 7)}
         ), denied as (${denySql('surplus', 8)} returning id)
         select ${subjectColumns}, array(select id from denied) as denied
         from s join users u on u.id = s.user_id`,
        [id, user_id, from_id, client_id, user_agent, address, keep, denyFor, host],
      )
      const [row] = rows
      if (!row) return undefined
      const { denied, ...subject } = row
      reportDenied(denied)
      return subject
    },

    /**
     * Lists the valid logins of a user, the last used first. The sessions of a login are one entry. `current` is
     * the login of the session `currentId`.
     */
    async list(userId: string, currentId: string | null = null): Promise<Session[]> {
      const { rows } = await db.query<Session>(
        `select login.id, login.user_agent, login.address, login.created_at,
           max(s.rotated_at) as last_used_at,
           max(least(s.expires_at, ${idleEnd})) as expires_at,
           coalesce(bool_or(s.id = $2), false) as current
         from sessions s join sessions login on login.id = ${loginOf}
         where s.user_id = $1 and ${alive} group by login.id order by last_used_at desc, login.id`,
        [userId, currentId],
      )
      return rows
    },

    /**
     * Whether the user proved who they are in this session less than `seconds` ago, by the second factor too if there
     * is one.
     */
    async startedWithin(id: string, userId: string, seconds: number): Promise<boolean> {
      const { rowCount } = await db.query(
        `select from sessions s where id = $1 and user_id = $2
           and ${authTime} > now() - make_interval(secs => $3)
           and (s.amr @> '{mfa}' or not exists (${factorOf('$2')}))`,
        [id, userId, seconds],
      )
      return rowCount === 1
    },

    /** Marks a session in which the user has just given a second factor. */
    async proveFactor(id: string): Promise<void> {
      await db.query(
        `update sessions set amr = array(select distinct unnest(coalesce(amr, '{}') || '{otp,mfa}') order by 1)
         where id = $1`,
        [id],
      )
    },

    /** The sessions of users who need a second factor and have none, up to a limit. */
    async listWithoutFactor(mode: FactorMode, limit: number): Promise<string[]> {
      const proven = provenBy(mode, { user: 's.user_id', amr: 's.amr' })
      const { rows } = await db.query<{ id: string }>(
        `select s.id from sessions s where s.login_id is null and not (${proven}) limit $1`,
        [limit],
      )
      return rows.map(({ id }) => id)
    },

    ...createRotations(db, rotations),
    ...createEndings(db, endings),
  }

  function reportDenied(ids: string[]): void {
    if (ids.length === 0) return
    const expires_at = expiresIn(denyFor)
    onDenied(ids.map((id) => ({ id, expires_at })))
  }
}

/** Ends the further sessions of a login but those used last. `$keep` is how many, beside a new one. */
const endSurplusSql = (login: string, keep: number) => `
  delete from sessions where id in (
    select id from sessions where login_id = ${login}
    order by rotated_at desc, id desc offset $${String(keep)} for update skip locked)
  returning id`

export type SessionRepository = ReturnType<typeof createSessionRepository>
