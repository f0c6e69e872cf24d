import type { Db } from '../../db/pool.js'
import { OperatorError } from '../../errors.js'
import type { Seal } from '../../crypto/seal.js'
import type { DatedKey } from '../../config/key-life.js'
import type { KeyPair } from './key-pair.js'

export type SealedKey = DatedKey & { sealed_private_key: Buffer }

/** The state of the signing keys. Times are in milliseconds since 1970, by the clock of the database. */
export type RingState = {
  /** Revisions are comparable within one history of the database: after a failover a number may repeat. */
  history: string | null
  /** How often the keys have changed. */
  revision: number
  now: number
  /** When migration 0014 gave refresh tokens keys of their own; null if no session is older. */
  refresh_keys_since: number | null
}

/** The state with its keys, in the order in which they sign. */
export type StoredKeys = RingState & { keys: SealedKey[] }

type Row = RingState & (SealedKey | { kid: null })

// An arbitrary number, used for no other advisory lock of this service.
const lockId = 4_728_101

const state = `(select database_history()) as history, revision::float8 as revision,
  extract(epoch from clock_timestamp())::float8 * 1000 as now,
  extract(epoch from refresh_keys_since)::float8 * 1000 as refresh_keys_since`

/** @throws Error if the single row of `key_ring` was deleted */
function requireRow([row]: Row[]): Row {
  if (!row) throw new Error('the row of key_ring is missing')
  return row
}

/**
 * All SQL about signing keys. Private keys are stored sealed. A trigger counts every change of a key
 * in `key_ring` and sends a notification.
 */
export function createKeyRepository(db: Db, box: Seal) {
  const label = ({ kid, algorithm }: Pick<KeyPair, 'kid' | 'algorithm'>) => `${algorithm} ${kid}`

  return {
    async state(): Promise<RingState> {
      const { rows } = await db.query<Row>(`select ${state} from key_ring`)
      return requireRow(rows)
    },

    async load(): Promise<StoredKeys> {
      const { rows } = await db.query<Row>(
        // Without the limit, the planner expects millions of rows and compiles the statement, which takes
        // longer than everything else at a start.
        `select ${state}, kid, algorithm, sealed_private_key, created_at, signs_from
         from (select * from key_ring limit 1) as ring left join signing_keys on true
         order by signs_from, created_at, kid`,
      )
      const { history, revision, now, refresh_keys_since } = requireRow(rows)
      const keys = rows.flatMap((row) => (row.kid === null ? [] : row))
      return { history, revision, now, refresh_keys_since, keys }
    },

    /** Tries to lock the keys until the end of the transaction; false if another transaction has the lock. */
    async lock(): Promise<boolean> {
      const { rows } = await db.query<{ mine: boolean }>(
        `select pg_try_advisory_xact_lock(${String(lockId)}) as mine`,
      )
      return rows[0]?.mine ?? false
    },

    /** Publishes a key that signs after `delay` seconds. Returns that time as ISO 8601. */
    async add(key: KeyPair, delay: number): Promise<string> {
      const { rows } = await db.query<{ signs_from: string }>(
        `insert into signing_keys
           (kid, algorithm, sealed_private_key, created_at, signs_from)
         values ($1, $2, $3, statement_timestamp(),
           statement_timestamp() + make_interval(secs => $4)) returning signs_from`,
        [key.kid, key.algorithm, box.seal(key.private_key, label(key)), delay],
      )
      return rows[0]?.signs_from ?? ''
    },

    /** Lets a published key sign from now on. Returns the time as ISO 8601. */
    async signNow(kid: string): Promise<string> {
      const { rows } = await db.query<{ signs_from: string }>(
        `update signing_keys set signs_from = statement_timestamp() where kid = $1
         returning signs_from`,
        [kid],
      )
      return rows[0]?.signs_from ?? ''
    },

    async remove(kid: string): Promise<void> {
      await db.query('delete from signing_keys where kid = $1', [kid])
    },

    /** Unseals a key. @throws OperatorError if it was sealed with another secret, kid or algorithm */
    open({ sealed_private_key, kid, algorithm }: SealedKey): KeyPair {
      try {
        const private_key = box.open(sealed_private_key, label({ kid, algorithm }))
        return { kid, algorithm, private_key }
      } catch (cause) {
        throw new OperatorError(
          `signing key ${kid} was sealed with another KEYS_SECRET: set the old secret again, or run ` +
            '"gatehouse keys reseal --from FILE", where FILE has the old secret. ' +
            'If the old secret is lost, run "gatehouse keys reset --yes", which ends every session',
          { cause },
        )
      }
    },
  }
}

export type KeyRepository = ReturnType<typeof createKeyRepository>
