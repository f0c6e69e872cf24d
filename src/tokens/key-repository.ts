import type { Db } from '../db/pool.js'
import type { Seal } from '../seal.js'
import type { DatedKey } from './key-life.js'
import type { KeyPair } from './key-pair.js'

export type SealedKey = DatedKey & Pick<KeyPair, 'public_jwk'> & { sealed_private_key: Buffer }

/** One state of the keys, in the order in which they sign; `now` in milliseconds, by the database. */
export type StoredKeys = { revision: number; now: number; keys: SealedKey[] }

type Row = { revision: number; now: number } & (SealedKey | { kid: null })

// Any number will do, as long as nothing else of this service locks it.
const lockId = 4_728_101

const state =
  'revision::float8 as revision, extract(epoch from clock_timestamp())::float8 * 1000 as now'

/** @throws Error where the one row of `key_ring` was deleted */
function theFirst([row]: Row[]): Row {
  if (!row) throw new Error('the row of key_ring is missing')
  return row
}

/**
 * The only SQL about signing keys; private parts are stored sealed. A trigger counts
 * every change in `key_ring`, and notifies of it.
 */
export function createKeyRepository(db: Db, box: Seal) {
  const label = ({ kid, algorithm }: Pick<KeyPair, 'kid' | 'algorithm'>) => `${algorithm} ${kid}`

  return {
    /** How often the keys have changed; and the time, as in load(). */
    async revision(): Promise<Pick<StoredKeys, 'revision' | 'now'>> {
      const { rows } = await db.query<Row>(`select ${state} from key_ring`)
      return theFirst(rows)
    },

    async load(): Promise<StoredKeys> {
      const { rows } = await db.query<Row>(
        `select ${state}, kid, algorithm, public_jwk, sealed_private_key, created_at, signs_from
         from key_ring left join signing_keys on true
         order by signs_from, created_at, kid`,
      )
      const { revision, now } = theFirst(rows)
      return { revision, now, keys: rows.flatMap((row) => (row.kid === null ? [] : row)) }
    },

    /** Whether nobody else changes the keys before the end of this transaction. */
    async lock(): Promise<boolean> {
      const { rows } = await db.query<{ mine: boolean }>(
        `select pg_try_advisory_xact_lock(${String(lockId)}) as mine`,
      )
      return rows[0]?.mine ?? false
    },

    /** Publishes a key, which signs after so many seconds; from when that is. */
    async add(key: KeyPair, delay: number): Promise<string> {
      const { rows } = await db.query<{ signs_from: string }>(
        `insert into signing_keys
           (kid, algorithm, public_jwk, sealed_private_key, created_at, signs_from)
         values ($1, $2, $3, $4, statement_timestamp(),
           statement_timestamp() + make_interval(secs => $5)) returning signs_from`,
        [key.kid, key.algorithm, key.public_jwk, box.seal(key.private_key, label(key)), delay],
      )
      return rows[0]?.signs_from ?? ''
    },

    /** Lets a published key sign from now on. */
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

    /** @throws Error when it was sealed with another secret */
    open({ sealed_private_key, kid, algorithm, public_jwk }: SealedKey): KeyPair {
      try {
        const private_key = box.open(sealed_private_key, label({ kid, algorithm }))
        return { kid, algorithm, public_jwk, private_key }
      } catch (cause) {
        throw new Error(`signing key ${kid} was sealed with another KEYS_SECRET`, { cause })
      }
    },
  }
}

export type KeyRepository = ReturnType<typeof createKeyRepository>
