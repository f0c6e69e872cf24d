import type { Db } from '../../db/pool.js'
import type { TokenSubject } from '../tokens/service.js'
import type { RefreshRule, SessionState } from './refresh-rule.js'

/** A refresh token of a request. `id` is the session's. */
export type PresentedToken = { id: string; user_id: string; generation: number }

export type FoundSession = {
  subject: TokenSubject
  state: SessionState
  /** The database's clock, in seconds since 1970. */
  now: number
}

type Options = {
  rule: Pick<RefreshRule, 'minAge' | 'remembered'>
  /** Conditions on the session `s` and its user `u`. */
  alive: string
  enabled: string
  subjectColumns: string
}

/** When the token before the present one was spent, or last repeated after the grace. */
const lastSpent = 'greatest(s.rotated_at, s.spent_at[cardinality(s.spent_at)])'

const spentBefore = 's.spent_at[:cardinality(s.spent_at) - 1]'

/** The SQL of a refresh. It depends only on the rule and the configuration. */
export function createRotationSql({ rule, alive, enabled, subjectColumns }: Options) {
  const minAge = `make_interval(secs => ${String(rule.minAge)})`
  const kept = `s.spent_at[greatest(1, cardinality(s.spent_at) - ${String(rule.remembered - 2)}):]`
  const rotate = (lock: string) => `
    with free as (
      select s.id, s.generation from sessions s
        join unnest($1::uuid[], $2::uuid[], $3::integer[]) as presented (id, user_id, generation)
        on s.id = presented.id and s.user_id = presented.user_id and s.generation = presented.generation
      where ${alive} and (s.generation = 0 or ${lastSpent} <= now() - ${minAge})
      for no key update of s ${lock}
    )
    update sessions s set generation = s.generation + 1, rotated_at = now(),
      spent_at = ${kept} || now()
    from free, users u
    where s.id = free.id and s.generation = free.generation and u.id = s.user_id and ${enabled}
    returning ${subjectColumns}`

  return {
    rotateFree: rotate('skip locked'),
    rotate: rotate(''),

    repeatLate: `
      update sessions s set repeats = s.repeats + 1, spent_at = ${spentBefore} || now()
      from users u
      where s.id = $1 and s.user_id = $2 and s.generation = $3 and s.repeats = $4
        and s.used_generation < s.generation and ${alive} and u.id = s.user_id and ${enabled}
      returning ${subjectColumns}`,

    read: `
      select ${subjectColumns}, s.repeats, s.used_generation = s.generation as is_used,
        extract(epoch from now())::float8 as now,
        case when s.generation = 0 then '{}' else array(
          select extract(epoch from at)::float8
          from unnest(${spentBefore} || ${lastSpent}) with ordinality as spent (at, nth)
          order by nth) end as spent_at
      from sessions s join users u on u.id = s.user_id
      where s.id = any ($1::uuid[]) and ${alive} and ${enabled}`,
  }
}

/** Reads sessions for the refresh rule, and writes its decisions. A write checks that the state is unchanged. */
export function createRotations(db: Db, sql: ReturnType<typeof createRotationSql>) {
  return {
    /**
     * Rotates each session whose present generation is presented and old enough: for those the rule
     * always says `rotate`. It skips locked sessions, so that no request of a batch waits for another
     * and no two batches wait for each other. With `wait` it waits for the locks.
     */
    async rotate(batch: PresentedToken[], { wait = false } = {}): Promise<TokenSubject[]> {
      const { rows } = await db.query<TokenSubject>(wait ? sql.rotate : sql.rotateFree, [
        batch.map(({ id }) => id),
        batch.map(({ user_id }) => user_id),
        batch.map(({ generation }) => generation),
      ])
      return rows
    },

    read,

    /** Reads one session; undefined unless it is valid and belongs to the user. */
    async find(id: string, userId: string): Promise<FoundSession | undefined> {
      const [found] = await read([id])
      return found?.subject.user_id === userId ? found : undefined
    },

    /**
     * Counts a repeat after the grace. The grace of the repeated token starts again, because parallel
     * requests may bring the same token. Returns undefined if the session has changed since it was read.
     */
    async repeatLate({ id, user_id }: PresentedToken, { generation, repeats }: SessionState) {
      const { rows } = await db.query<TokenSubject>(sql.repeatLate, [
        id,
        user_id,
        generation,
        repeats,
      ])
      return rows[0]
    },

    /**
     * Marks the sessions for which an access token of the present generation was accepted. `ids` and
     * `generations` are parallel arrays. It skips locked rows: another statement rotates, ends or marks
     * those sessions.
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

  /** Reads the valid sessions among these ids. */
  async function read(ids: string[]): Promise<FoundSession[]> {
    const { rows } = await db.query<
      TokenSubject & Omit<SessionState, 'generation'> & { now: number }
    >(sql.read, [ids])
    return rows.map(({ now, spent_at, is_used, repeats, ...subject }) => ({
      subject,
      state: { generation: subject.generation, spent_at, is_used, repeats },
      now,
    }))
  }
}
