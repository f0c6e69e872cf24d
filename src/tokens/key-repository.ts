import type { Db, Pool } from '../db/pool.js'
import { createSeal } from '../seal.js'
import type { KeyPair } from './key-pair.js'

type Row = Omit<KeyPair, 'private_key'> & { sealed_private_key: Buffer }

// Any number will do, as long as nothing else of this service locks it.
const lockId = 4_728_101

/** The only SQL about signing keys; private parts are stored sealed under `secret`. */
export function createKeyRepository(db: Pool, secret: string) {
  const box = createSeal(secret, 'signing keys')
  const label = ({ kid, algorithm }: Pick<KeyPair, 'kid' | 'algorithm'>) => `${algorithm} ${kid}`

  return {
    /**
     * Every key, oldest first. Where `isEnough` says that one is missing, `make` makes it, before
     * the lock is taken, since it may take seconds; of instances that start together one stores its
     * key, and all find that one.
     * @throws Error when a key was sealed with another secret
     */
    async loadOrCreate(isEnough: (keys: KeyPair[]) => boolean, make: () => Promise<KeyPair>) {
      const found = await load(db)
      if (isEnough(found)) return found
      const key = await make()
      return db.transaction(async (tx) => {
        await tx.query(`select pg_advisory_xact_lock(${lockId})`)
        const keys = await load(tx)
        if (isEnough(keys)) return keys
        await tx.query(
          'insert into signing_keys (kid, algorithm, public_jwk, sealed_private_key) values ($1, $2, $3, $4)',
          [key.kid, key.algorithm, key.public_jwk, box.seal(key.private_key, label(key))],
        )
        return [...keys, key]
      })
    },
  }

  async function load(on: Db): Promise<KeyPair[]> {
    const { rows } = await on.query<Row>(
      'select kid, algorithm, public_jwk, sealed_private_key from signing_keys order by created_at, kid',
    )
    return rows.map(open)
  }

  function open({ sealed_private_key, ...key }: Row): KeyPair {
    try {
      return { ...key, private_key: box.open(sealed_private_key, label(key)) }
    } catch (cause) {
      throw new Error(`signing key ${key.kid} was sealed with another KEYS_SECRET`, { cause })
    }
  }
}

export type KeyRepository = ReturnType<typeof createKeyRepository>
