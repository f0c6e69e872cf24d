import type { Db } from '../../db/pool.js'

/**
 * Admits `max` points in `seconds`, counted from the first point. With `doubles`, a full counter admits
 * one more point after each wait, and the wait doubles.
 */
export type Counter = {
  key: string
  max: number
  seconds: number
  doubles?: boolean
  /** A refusal is reported to the caller, but does not refuse the request. */
  isSilent?: boolean
}

/** `count` adds a point, `keep` changes nothing, `clear` resets to 0, `mark` sets a mark and renews its expiry. */
export type Outcome = 'count' | 'keep' | 'clear' | 'mark'

export type Change = { counter: Counter; outcome: Outcome }

/**
 * `points` are counted and `pending` are reserved. `expire` is when the points expire, `open_at` when a
 * full counter admits again, both in milliseconds since 1970.
 */
export type Count = {
  key: string
  isTaken: boolean
  points: number
  pending: number
  expire: number
  open_at: number
}

type Reserve = { now: number; counters: Counter[]; reservation: string; until: number }
type Settle = { now: number; changes: Change[]; reservation?: string | undefined }

const codes: Record<Outcome, number> = { count: 1, keep: 0, clear: -1, mark: 2 }

// The valid points and reservations of a row, which may have expired; $1 is the present time.
const points = 'case when r.expire > $1 then greatest(r.points, 0) else 0 end'
const pending = 'array(select p from unnest(r.pending) as p where p >> 20 > $1)'
const admits = (max: string) => `(${points} + cardinality(${pending}) < ${max}
  or cardinality(${pending}) = 0 and r.open_at <= $1)`

/** All SQL about limits. Rows are locked in the order of their keys, so that no two statements deadlock. */
export function createCounterRepository(db: Db) {
  return {
    /**
     * Reserves a point in each counter. If a counter that is not silent refuses, it reserves none. While
     * the mark with the key `pass` is valid, silent counters admit everything.
     */
    async reserve({ now, counters, reservation, until }: Reserve, pass = ''): Promise<Count[]> {
      const { rows } = await db.query<Count>(
        `with wanted as (
           select key, silent, case when silent and exists (
               select from rate_limits where key = $6 and expire > $1) then 2147483647 else most end as most
           from unnest($2::text[], $3::integer[], $4::boolean[]) as w (key, most, silent)
         ), refused as (
           select from wanted w join rate_limits r using (key) where not silent and not ${admits('w.most')}
         ), taken as (
           insert into rate_limits as r (key, most, pending, expire)
           select key, most, array[$5::bigint], $7 from wanted where not exists (select from refused) order by key
           on conflict (key) do update set most = excluded.most, points = ${points},
             pending = ${pending} || excluded.pending,
             expire = case when ${points} > 0 then r.expire else excluded.expire end
           where ${admits('excluded.most')}
           returning *
         )
         select w.key, t.key is not null as "isTaken", coalesce(t.points, ${points}, 0) as points,
           cardinality(coalesce(t.pending, ${pending})) as pending,
           coalesce(t.expire, r.expire, 0)::float as expire, coalesce(t.open_at, r.open_at, 0)::float as open_at
         from wanted w left join taken t on t.key = w.key left join rate_limits r on r.key = w.key`,
        [
          now,
          counters.map(({ key }) => key),
          counters.map(({ max }) => max),
          counters.map(({ isSilent = false }) => isSilent),
          reservation,
          pass,
          until,
        ],
      )
      return rows
    },

    /** Ends the reservation, if given, and applies the changes. A second call counts again. */
    async settle({ now, changes, reservation }: Settle): Promise<Count[]> {
      const ends = changes.map(({ counter }) => now + counter.seconds * 1_000)
      const { rows } = await db.query<Count>(
        `insert into rate_limits as r (key, most, points, expire, open_at)
         select * from unnest($3::text[], $4::integer[], $5::integer[], $6::bigint[], $7::bigint[]) as w (key)
         order by key
         on conflict (key) do update set
           pending = array_remove(${pending}, $2::bigint),
           points = case excluded.points when -1 then 0 when 2 then 1 else ${points} + excluded.points end,
           expire = case when excluded.points = 2 or excluded.points = 1 and ${points} = 0
             then excluded.expire else r.expire end,
           open_at = case when excluded.points <> 1 then r.open_at
             when excluded.open_at > $1 then case when ${points} = 0 then excluded.expire else r.expire end
             when ${points} < excluded.most then $1
             else $1 + 1000 * least(3600, power(2, least(${points} - excluded.most, 12))::integer) end
         returning key, true as "isTaken", points, cardinality(pending) as pending,
           expire::float as expire, open_at::float as open_at`,
        [
          now,
          reservation ?? null,
          changes.map(({ counter }) => counter.key),
          changes.map(({ counter }) => counter.max),
          changes.map(({ outcome }) => codes[outcome]),
          ends,
          changes.map(({ counter }, at) => (counter.doubles ? now : ends[at])),
        ],
      )
      return rows
    },

    async isLive(key: string, now: number): Promise<boolean> {
      const { rowCount } = await db.query(
        'select from rate_limits where key = $1 and expire > $2',
        [key, now],
      )
      return rowCount > 0
    },

    async clear(key: string): Promise<void> {
      await db.query('delete from rate_limits where key = $1', [key])
    },
  }
}

export type CounterRepository = ReturnType<typeof createCounterRepository>
