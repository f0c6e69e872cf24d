import { expiresIn, type Denial } from '@gatehouse/verify/protocol'
import type { Db } from '../../db/pool.js'
import type { ApiKey } from './schemas.js'

export type NewKey = {
  id: string
  user_id: string
  name: string
  secret_hash: Buffer
  roles: string[]
  days: number
}

/** A key that may be used, with what its owner has and is now. */
export type LiveKey = {
  secret_hash: Buffer
  id: string
  user_id: string
  /** The roles of the key that the owner has too. */
  roles: string[]
  epoch: number
  username: string | null
  /** Only where it is verified. */
  email: string | null
  name: string | null
  created_at: string
  expires_at: string
}

const rolesOf = (key: string) =>
  `array(select role from api_key_roles where key_id = ${key}.id order by role)`

const columns = `k.id, k.name, ${rolesOf('k')} as roles, k.created_at, k.expires_at, k.last_used_at`

// As long as the trigger on `api_keys` denies a deleted key, in seconds.
const denyFor = 90_000

/** All SQL about API keys. */
export function createApiKeyRepository(db: Db, onDenied: (denials: Denial[]) => void) {
  return {
    /** The caller has locked the user. */
    async create(key: NewKey): Promise<ApiKey> {
      const { id, user_id, name, secret_hash, roles, days } = key
      const { rows } = await db.query<ApiKey>(
        `with created as (
           insert into api_keys (id, user_id, name, secret_hash, expires_at, warn_at)
           values ($1, $2, $3, $4, now() + make_interval(days => $5),
             case when $5 > 7 then now() + make_interval(days => $5 - 7) end)
           returning *
         ), granted as (
           insert into api_key_roles (key_id, role)
           select id, role from created, unnest($6::text[]) as role)
         select id, name, $6::text[] as roles, created_at, expires_at, last_used_at from created`,
        [id, user_id, name, secret_hash, days, roles],
      )
      return rows[0] as ApiKey
    },

    /** The keys of a user, the newest first, and for a month also those that have expired. */
    async list(userId: string): Promise<ApiKey[]> {
      const { rows } = await db.query<ApiKey>(
        `select ${columns} from api_keys k where user_id = $1 order by created_at desc, id limit 200`,
        [userId],
      )
      return rows
    },

    /** Whether the user has this key. */
    async has(id: string, userId: string): Promise<boolean> {
      const sql = 'select from api_keys where id = $1 and user_id = $2'
      const { rowCount } = await db.query(sql, [id, userId])
      return rowCount === 1
    },

    /** Counts the keys of a user that have not expired. */
    async count(userId: string): Promise<number> {
      const { rows } = await db.query<{ count: number }>(
        `select count(*)::integer as count from api_keys where user_id = $1 and expires_at > now()`,
        [userId],
      )
      return rows[0]?.count ?? 0
    },

    /**
     * Finds the keys with these hashes that may be used now, and notes their use, at most once a minute. The hash
     * that the database compares is that of a random secret, so the time of a comparison tells nothing.
     */
    async use(hashes: Buffer[]): Promise<LiveKey[]> {
      const { rows } = await db.query<LiveKey>(
        `with found as (
           select k.id, k.secret_hash, k.user_id, k.created_at, k.expires_at, k.last_used_at,
             u.username, u.name, u.epoch,
             case when u.email_verified_at is not null then u.email end as email,
             array(select role from api_key_roles join user_roles using (role)
               where key_id = k.id and user_roles.user_id = u.id order by role) as roles
           from api_keys k join users u on u.id = k.user_id
           where k.secret_hash = any ($1) and k.expires_at > now()
             and u.activated_at is not null and u.disabled_at is null
         ), used as (
           update api_keys set last_used_at = now() where id in (
             select id from found
             where last_used_at is null or last_used_at < now() - interval '1 minute'))
         select secret_hash, id, user_id, roles, epoch, username, email, name, created_at, expires_at
         from found`,
        [hashes],
      )
      return rows
    },

    /** Deletes a key, of this user if one is given. Returns its owner; undefined if there was no such key. */
    async delete(id: string, userId: string | null = null): Promise<string | undefined> {
      const { rows } = await db.query<{ id: string; user_id: string }>(
        `delete from api_keys where id = $1 and ($2::uuid is null or user_id = $2)
         returning id, user_id`,
        [id, userId],
      )
      reportDenied(rows)
      return rows[0]?.user_id
    },

    /** Deletes the keys with these ids, some of which may be ids of something else. */
    async deleteThese(ids: string[]): Promise<void> {
      await db.query('delete from api_keys where id = any ($1)', [ids])
    },

    /** Deletes every key of a user. */
    async deleteAll(userId: string): Promise<void> {
      const { rows } = await db.query<{ id: string }>(
        'delete from api_keys where user_id = $1 returning id',
        [userId],
      )
      reportDenied(rows)
    },

    /**
     * Marks keys that expire within a week, and returns their owners. A key that was made for a week at most is not
     * among them. Another instance skips the rows that this transaction has locked.
     */
    async markExpiring(limit: number): Promise<string[]> {
      const { rows } = await db.query<{ user_id: string }>(
        `update api_keys set warn_at = null where id = any (array(
           select id from api_keys where warn_at <= now()
           order by warn_at limit $1 for update skip locked))
         returning user_id`,
        [limit],
      )
      return rows.map(({ user_id }) => user_id)
    },
  }

  function reportDenied(rows: { id: string }[]): void {
    onDenied(rows.map(({ id }) => ({ id, expires_at: expiresIn(denyFor) })))
  }
}

export type ApiKeyRepository = ReturnType<typeof createApiKeyRepository>
