import type { Db, Pool } from './pool.js'
import { OperatorError } from '../errors.js'
import { createSeal } from '../crypto/seal.js'

/** Every column whose values are sealed under KEYS_SECRET. */
export const sealedValues = [
  {
    name: 'signing key',
    table: 'signing_keys',
    id: 'kid',
    column: 'sealed_private_key',
    purpose: 'signing keys',
    /** SQL for the label that the seal authenticates. */
    label: `algorithm || ' ' || kid`,
  },
  {
    name: 'key of imported passwords',
    table: 'import_keys',
    id: 'id',
    column: 'sealed_key',
    purpose: 'import keys',
    label: 'id::text',
  },
] as const

type Sealed = (typeof sealedValues)[number]
type Row = { id: string; label: string; box: Buffer }

// The lock of features/tokens/key-repository.ts, so that no instance adds a key meanwhile.
const lock = 'select pg_try_advisory_xact_lock(4728101) as mine'

/** @throws OperatorError if another process holds the lock */
async function lockKeys(tx: Db): Promise<void> {
  const { rows } = await tx.query<{ mine: boolean }>(lock)
  if (!rows[0]?.mine) throw new OperatorError('Another process is changing the keys. Try again.')
}

/**
 * Seals every value under the secret `to`, in one transaction. Values that `to` already opens stay unchanged.
 * @throws OperatorError if neither secret opens a value; then nothing has changed
 */
export async function reseal(db: Pool, from: string, to: string) {
  return db.transaction(async (tx) => {
    await lockKeys(tx)
    const done = { resealed: 0, unchanged: 0 }
    for (const kind of sealedValues) {
      const before = createSeal(from, kind.purpose)
      const after = createSeal(to, kind.purpose)
      for (const row of await list(tx, kind)) {
        if (tryOpen(() => after.open(row.box, row.label)) !== undefined) {
          done.unchanged += 1
          continue
        }
        const plaintext = tryOpen(() => before.open(row.box, row.label))
        if (plaintext === undefined) {
          throw new OperatorError(
            `Neither the secret in the file nor KEYS_SECRET opens ${kind.name} ${row.id}. ` +
              'Nothing has changed. If its secret is lost, run: gatehouse keys reset --yes',
          )
        }
        await tx.query(`update ${kind.table} set ${kind.column} = $2 where ${kind.id} = $1`, [
          row.id,
          after.seal(plaintext, row.label),
        ])
        done.resealed += 1
      }
    }
    return done
  })
}

/** Counts what reset() would delete. */
export async function countSealed(db: Db) {
  const { rows } = await db.query<{ keys: number; sessions: number }>(
    `select (select count(*) from signing_keys)::integer as keys,
       (select count(*) from sessions)::integer as sessions`,
  )
  return rows[0] ?? { keys: 0, sessions: 0 }
}

/**
 * Deletes every sealed value and every session, and calls `replace` to store new ones, in one transaction.
 * In between, no instance that still runs with the lost secret can add a value.
 */
export async function reset(db: Pool, replace: (tx: Db) => Promise<void>): Promise<void> {
  await db.transaction(async (tx) => {
    await lockKeys(tx)
    for (const { table } of sealedValues) await tx.query(`delete from ${table}`)
    // In batches, because each statement may take two seconds at most.
    for (let removed = -1; removed !== 0;) {
      const some = 'delete from sessions where id in (select id from sessions limit 5000)'
      removed = (await tx.query(some)).rowCount
    }
    await replace(tx)
  })
}

async function list(tx: Db, { table, id, column, label }: Sealed): Promise<Row[]> {
  const columns = `${id} as id, ${label} as label, ${column} as box`
  return (await tx.query<Row>(`select ${columns} from ${table} for update`)).rows
}

function tryOpen(open: () => string): string | undefined {
  try {
    return open()
  } catch {
    return undefined
  }
}
