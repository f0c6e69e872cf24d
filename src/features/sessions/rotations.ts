import type { Db } from '../../db/pool.js'
import type { Grant } from '../tokens/service.js'
import type { RefreshRule, SessionState } from './refresh-rule.js'

/** A refresh token that was presented: one generation of a session. */
export type Step = { id: string; user_id: string; generation: number }

export type Position = {
  grant: Grant
  state: SessionState
  /** The database's clock, in seconds since 1970. */
  now: number
}

type Options = {
  rule: Pick<RefreshRule, 'minAge' | 'remembered'>
  /** Conditions on the session `s` and its user `u`. */
  alive: string
  enabled: string
  grantColumns: string
}

/** When the generation before the present one was exchanged, or repeated after the grace. */
const lastSpent = 'greatest(s.rotated_at, s.spent_at[cardinality(s.spent_at)])'

const spentBefore = 's.spent_at[:cardinality(s.spent_at) - 1]'

/** The statements of refreshing. They depend on the rule and on the configuration alone. */
export function rotationSql({ rule, alive, enabled, grantColumns }: Options) {
  const minAge = `make_interval(secs => ${String(rule.minAge)})`
  const kept = `s.spent_at[greatest(1, cardinality(s.spent_at) - ${String(rule.remembered - 2)}):]`
  const rotate = (lock: string) => `
    with free as (
      select s.id, s.generation from sessions s
        join unnest($1::uuid[], $2::uuid[], $3::integer[]) as step (id, user_id, generation)
        on s.id = step.id and s.user_id = step.user_id and s.generation = step.generation
      where ${alive} and (s.generation = 0 or ${lastSpent} <= now() - ${minAge})
      for no key update of s ${lock}
    )
    update sessions s set generation = s.generation + 1, rotated_at = now(),
      spent_at = ${kept} || now()
    from free, users u
    where s.id = free.id and s.generation = free.generation and u.id = s.user_id and ${enabled}
    returning ${grantColumns}`

  return {
    rotateFree: rotate('skip locked'),
    rotate: rotate(''),

    repeatLate: `
      update sessions s set repeats = s.repeats + 1, spent_at = ${spentBefore} || now()
      from users u
      where s.id = $1 and s.user_id = $2 and s.generation = $3 and s.repeats = $4
        and s.used_generation < s.generation and ${alive} and u.id = s.user_id and ${enabled}
      returning ${grantColumns}`,

    read: `
      select ${grantColumns}, s.repeats, s.used_generation = s.generation as is_sighted,
        extract(epoch from now())::float8 as now,
        case when s.generation = 0 then '{}' else array(
          select extract(epoch from at)::float8
          from unnest(${spentBefore} || ${lastSpent}) with ordinality as spent (at, nth)
          order by nth) end as spent_at
      from sessions s join users u on u.id = s.user_id
      where s.id = any ($1::uuid[]) and ${alive} and ${enabled}`,
  }
}

/** Reads and writes what the rule decides; each write finds the state unchanged. */
export function createRotations(db: Db, sql: ReturnType<typeof rotationSql>) {
  return {
    /**
     * Moves on each session whose present generation is presented and old enough, where the rule is
     * `rotate` whatever else the row says. A session that is locked is passed over, so that no request
     * of a batch waits for another, nor two batches for each other; or, with `wait`, waited for.
     */
    async rotate(steps: Step[], { wait = false } = {}): Promise<Grant[]> {
      const { rows } = await db.query<Grant>(wait ? sql.rotate : sql.rotateFree, [
        steps.map(({ id }) => id),
        steps.map(({ user_id }) => user_id),
        steps.map(({ generation }) => generation),
      ])
      return rows
    },

    read,

    /** Where one session stands; undefined unless it lives and is the user's. */
    async find(id: string, userId: string): Promise<Position | undefined> {
      const [position] = await read([id])
      return position?.grant.user_id === userId ? position : undefined
    },

    /**
     * Counts a repeat after the grace, and lets the grace of the repeated token begin again: other
     * requests may bring it at the same time. Undefined where the session has changed since it was read.
     */
    async repeatLate({ id, user_id }: Step, { generation, repeats }: SessionState) {
      const { rows } = await db.query<Grant>(sql.repeatLate, [id, user_id, generation, repeats])
      return rows[0]
    },

    /**
     * Marks sessions of which an access token of the present generation was accepted, by their ids and
     * generations. A row that is locked is passed over: the session moves on, ends or is being marked.
     */
    async markUsed(ids: string[], generations: number[]): Promise<void> {
      await db.query(
        `update sessions set used_generation = generation, repeats = 0 where id in (
           select s.id from sessions s join unnest($1::uuid[], $2::integer[]) as used (id, generation)
             on used.id = s.id and used.generation = s.generation
           where s.used_generation < s.generation
           for no key update of s skip locked)`,
        [ids, generations],
      )
    },
  }

  /** Where these sessions stand, of those that live. */
  async function read(ids: string[]): Promise<Position[]> {
    const { rows } = await db.query<Grant & Omit<SessionState, 'generation'> & { now: number }>(
      sql.read,
      [ids],
    )
    return rows.map(({ now, spent_at, is_sighted, repeats, ...grant }) => ({
      grant,
      state: { generation: grant.generation, spent_at, is_sighted, repeats },
      now,
    }))
  }
}
