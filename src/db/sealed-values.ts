import type { Db, Pool } from './pool.js'
import { OperatorError } from '../errors.js'
import { createSeal } from '../crypto/seal.js'

/** What reseal changes: every column whose values are sealed under KEYS_SECRET. */
export const sealedValues = [
  {
    what: 'signing key',
    table: 'signing_keys',
    id: 'kid',
    column: 'sealed_private_key',
    purpose: 'signing keys',
    /** SQL for what the seal is bound to. */
    label: `algorithm || ' ' || kid`,
  },
] as const

type Sealed = (typeof sealedValues)[number]
type Row = { id: string; label: string; box: Buffer }

// That of tokens/key-repository.ts: no key is made meanwhile.
const lock = 'select pg_try_advisory_xact_lock(4728101) as mine'

/** @throws OperatorError when another process holds the lock */
async function lockKeys(tx: Db): Promise<void> {
  const { rows } = await tx.query<{ mine: boolean }>(lock)
  if (!rows[0]?.mine) throw new OperatorError('another process changes the keys: try again')
}

/**
 * Seals every value under the new secret, all in one transaction. Values that the new secret opens stay as they are.
 * @throws OperatorError when neither secret opens a value; then nothing has changed
 */
export async function reseal(db: Pool, from: string, to: string) {
  return db.transaction(async (tx) => {
    await lockKeys(tx)
    const done = { resealed: 0, unchanged: 0 }
    for (const kind of sealedValues) {
      const before = createSeal(from, kind.purpose)
      const after = createSeal(to, kind.purpose)
      for (const row of await list(tx, kind)) {
        if (opens(() => after.open(row.box, row.label)) !== undefined) {
          done.unchanged += 1
          continue
        }
        const plaintext = opens(() => before.open(row.box, row.label))
        if (plaintext === undefined) {
          throw new OperatorError(
            `neither the secret in the file nor KEYS_SECRET opens ${kind.what} ${row.id}: ` +
              'nothing has changed. If its secret is lost, run: gatehouse keys reset --yes',
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

/** How much reset() destroys. */
export async function countSealed(db: Db) {
  const { rows } = await db.query<{ keys: number; sessions: number }>(
    `select (select count(*) from signing_keys)::integer as keys,
       (select count(*) from sessions)::integer as sessions`,
  )
  return rows[0] ?? { keys: 0, sessions: 0 }
}

/**
 * Deletes every sealed value and every session, in one transaction, and lets `replace` store what
 * takes their place: an instance that still has the lost secret can then add nothing.
 */
export async function reset(db: Pool, replace: (tx: Db) => Promise<void>): Promise<void> {
  await db.transaction(async (tx) => {
    await lockKeys(tx)
    for (const { table } of sealedValues) await tx.query(`delete from ${table}`)
    // In portions: each statement has two seconds.
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

function opens(open: () => string): string | undefined {
  try {
    return open()
  } catch {
    return undefined
  }
}
