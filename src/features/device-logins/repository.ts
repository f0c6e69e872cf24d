import type { Db } from '../../db/pool.js'

/** A device that waits for a user. Without a `client_id` it runs `gatehouse login`. */
export type NewDeviceCode = {
  device_hash: Buffer
  user_hash: Buffer
  client_id: string | null
  network: string
  address: string
  user_agent: string | null
}

/** What the user is asked to approve. */
export type DeviceRequest = {
  device_hash: Buffer
  /** Null for `gatehouse login`. */
  client_name: string | null
  address: string
  user_agent: string | null
  created_at: string
}

/** The state of a code when its device asks. */
export type Poll = {
  state: 'pending' | 'approved' | 'denied' | 'spent' | 'expired'
  /** Whether the device asked sooner than it may. */
  is_early: boolean
}

/** Unexpired codes of a client, of a network and in all. */
export type CodeCounts = { client: number; network: number; all: number }

/** An arbitrary number, used for no other advisory lock of this service. */
const lockId = 4_728_103

/** A device waits the interval after an answer, so it may ask a moment sooner after its own request. */
const tolerance = 0.5

const isOpen = 'decided_at is null and expires_at > now()'
const requestColumns = `device_hash, address, user_agent, created_at,
  (select name from clients where id = client_id) as client_name`

/** All SQL about device codes. The clock is the database's. */
export function createDeviceCodeRepository(db: Db) {
  return {
    /** Counts unexpired codes. No other is added until the transaction ends, so that the bounds are exact. */
    async lockAndCount(client_id: string | null, network: string): Promise<CodeCounts> {
      await db.query(`select pg_advisory_xact_lock(${String(lockId)})`)
      const { rows } = await db.query<CodeCounts>(
        `select count(*) filter (where client_id is not distinct from $1::uuid)::integer as client,
           count(*) filter (where network = $2)::integer as network, count(*)::integer as "all"
         from device_codes where expires_at > now()`,
        [client_id, network],
      )
      return rows[0] ?? { client: 0, network: 0, all: 0 }
    },

    /** Returns false if another device has the user code. `ttl` and `interval` are in seconds. */
    async add(code: NewDeviceCode, ttl: number, interval: number): Promise<boolean> {
      const { device_hash, user_hash, client_id, network, address, user_agent } = code
      const { rowCount } = await db.query(
        `insert into device_codes
           (device_hash, user_hash, client_id, network, address, user_agent, expires_at, poll_interval)
         values ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7), $8)
         on conflict (user_hash) do nothing`,
        [device_hash, user_hash, client_id, network, address, user_agent, ttl, interval],
      )
      return rowCount === 1
    },

    /** Finds an open request for the user who types its code. Undefined if another user typed it before. */
    async claim(user_hash: Buffer, user_id: string): Promise<DeviceRequest | undefined> {
      const { rows } = await db.query<DeviceRequest>(
        `update device_codes set user_id = $2
         where user_hash = $1 and ${isOpen} and (user_id is null or user_id = $2)
         returning ${requestColumns}`,
        [user_hash, user_id],
      )
      return rows[0]
    },

    /**
     * Approves the request of a device in a session of the user. The session of an app cannot approve. The device gets
     * at least `grace` seconds to ask. Returns undefined if the request is not open, or not the user's.
     */
    async approve(
      device_hash: Buffer,
      user_id: string,
      session_id: string,
      grace: number,
    ): Promise<DeviceRequest | undefined> {
      const { rows } = await db.query<DeviceRequest>(
        `update device_codes set decided_at = now(), session_id = $3,
           expires_at = greatest(expires_at, now() + make_interval(secs => $4))
         where device_hash = $1 and user_id = $2 and ${isOpen} and exists (
           select from sessions where id = $3 and user_id = $2 and client_id is null and host is null)
         returning ${requestColumns}`,
        [device_hash, user_id, session_id, grace],
      )
      return rows[0]
    },

    /** Returns undefined if the request is not open, or not the user's. */
    async deny(device_hash: Buffer, user_id: string): Promise<DeviceRequest | undefined> {
      const { rows } = await db.query<DeviceRequest>(
        `update device_codes set decided_at = now()
         where device_hash = $1 and user_id = $2 and ${isOpen}
         returning ${requestColumns}`,
        [device_hash, user_id],
      )
      return rows[0]
    },

    /** Notes that the device asks. Asked too soon, the interval rises by `step` seconds (RFC 8628 §3.5). */
    async poll(
      device_hash: Buffer,
      client_id: string | null,
      step: number,
    ): Promise<Poll | undefined> {
      const { rows } = await db.query<Poll>(
        `update device_codes d set polled_at = now(),
           poll_interval = d.poll_interval + case when before.is_early then $3::integer else 0 end
         from (
           select device_hash, coalesce(${isOpen}
             and polled_at > now() - make_interval(secs => poll_interval - ${String(tolerance)}), false) as is_early
           from device_codes where device_hash = $1 and client_id is not distinct from $2::uuid for update) before
         where d.device_hash = before.device_hash
         returning before.is_early, case
           when opened_id is not null then 'spent' when expires_at <= now() then 'expired'
           when decided_at is null then 'pending' when session_id is null then 'denied' else 'approved' end as state`,
        [device_hash, client_id, step],
      )
      return rows[0]
    },

    /** Spends an approved code for the session `openedId`. Returns undefined unless it is the first use. */
    async spend(
      device_hash: Buffer,
      client_id: string | null,
      openedId: string,
    ): Promise<{ user_id: string; session_id: string } | undefined> {
      const { rows } = await db.query<{ user_id: string; session_id: string }>(
        `update device_codes set opened_id = $3
         where device_hash = $1 and client_id is not distinct from $2::uuid
           and session_id is not null and opened_id is null and expires_at > now()
         returning user_id, session_id`,
        [device_hash, client_id, openedId],
      )
      return rows[0]
    },
  }
}

export type DeviceCodeRepository = ReturnType<typeof createDeviceCodeRepository>
