import type { Db } from '../../db/pool.js'

/** `most` in `seconds` from the first. If it `doubles`, one more passes after each wait beyond that. */
export type Counter = {
  key: string
  most: number
  seconds: number
  doubles?: boolean
  /** A refusal is reported, and refuses nothing else. */
  isSilent?: boolean
}

/** What happens to a counter: add one, keep it, reset it, or extend its mark. */
export type Outcome = 'count' | 'keep' | 'clear' | 'mark'

export type Change = { counter: Counter; outcome: Outcome }

/** Times in milliseconds since 1970. `points` were counted, `pending` are reserved. */
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

// Of a row that may have expired; $1 is the present time.
const points = 'case when r.expire > $1 then greatest(r.points, 0) else 0 end'
const pending = 'array(select p from unnest(r.pending) as p where p >> 20 > $1)'
const admits = (most: string) => `(${points} + cardinality(${pending}) < ${most}
  or cardinality(${pending}) = 0 and r.open_at <= $1)`

/** The only SQL about limits. Rows are locked in the order of their keys, so that no two wait for each other. */
export function createCounterRepository(db: Db) {
  return {
    /**
     * Reserves one of each counter, or of none where one refuses. While the mark `pass` lasts, silent
     * counters admit everything.
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
          counters.map(({ most }) => most),
          counters.map(({ isSilent = false }) => isSilent),
          reservation,
          pass,
          until,
        ],
      )
      return rows
    },

    /** Ends a reservation, if there is one. To do it twice changes nothing but what is counted. */
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
          changes.map(({ counter }) => counter.most),
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
