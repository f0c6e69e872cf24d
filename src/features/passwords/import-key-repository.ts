import type { Db } from '../../db/pool.js'
import type { Seal } from '../../crypto/seal.js'

// The lock of features/tokens/key-repository.ts: nothing is sealed while KEYS_SECRET is being exchanged.
const lock = 'select pg_advisory_xact_lock(4728101)'

/** Keys that take part in imported hashes, such as the SALT_KEY of a Flask app. They are sealed. */
export function createImportKeyRepository(db: Db, seal: Seal) {
  return {
    /** Call it in a transaction. */
    async add(id: string, key: Buffer): Promise<void> {
      await db.query(lock)
      await db.query('insert into import_keys (id, sealed_key) values ($1, $2)', [
        id,
        seal.seal(key.toString('base64'), id),
      ])
    },

    /** Returns undefined if there is no such key. @throws Error if it was sealed with another secret */
    async find(id: string): Promise<Buffer | undefined> {
      const { rows } = await db.query<{ sealed_key: Buffer }>(
        'select sealed_key from import_keys where id = $1',
        [id],
      )
      return rows[0] && Buffer.from(seal.open(rows[0].sealed_key, id), 'base64')
    },

    /** All keys, with their ids. */
    async list(): Promise<{ id: string; key: Buffer }[]> {
      const { rows } = await db.query<{ id: string; sealed_key: Buffer }>(
        'select id, sealed_key from import_keys order by id',
      )
      return rows.map(({ id, sealed_key }) => ({
        id,
        key: Buffer.from(seal.open(sealed_key, id), 'base64'),
      }))
    },
  }
}

export type ImportKeyRepository = ReturnType<typeof createImportKeyRepository>
