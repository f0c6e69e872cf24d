import { violatedConstraint, type Db } from '../../db/pool.js'
import { AppError, taken } from '../../errors.js'
import type { UserColumns } from './columns.js'
import { createCredentialQueries } from './credential-repository.js'
import { createHolderQueries } from './holder-repository.js'
import {
  addressKinds,
  type AddressKind,
  type Identifier,
  type IdentifierKind,
} from '../identifiers/identifiers.js'
import type { ProfileFields } from './profile.js'
import type { User } from './schemas.js'

export type NewUser = ProfileFields & {
  id: string
  identifiers: Identifier[]
  password_hash: string | null
  activated: boolean
  /** The addresses count as verified, because an administrator set them. */
  verified?: boolean
}

/** `null` removes a value. */
export type UserChanges = Partial<ProfileFields> & {
  identifiers?: { kind: IdentifierKind; identifier: Identifier | null; verified?: boolean }[]
}

const errorOfConstraint = {
  users_username_key: 'username_taken',
  users_email_key: 'email_taken',
  users_mobile_key: 'mobile_taken',
} as const

// The time of the first verification. clock_timestamp() and not now(), which is the start of the transaction:
// a provider that was connected while this transaction waited for a lock must count as connected before.
const provenAt =
  'coalesce(proven_at, least(email_verified_at, mobile_verified_at), clock_timestamp())'

/** All SQL about a single user. */
export function createUserRepository(
  db: Db,
  { user: columns, created: createdColumns }: UserColumns,
) {
  return {
    ...createCredentialQueries(db, columns),
    ...createHolderQueries(db),

    /** Inserts a user with the role `user`. Returns undefined if another user has one of the identifiers. */
    async create(user: NewUser): Promise<User | undefined> {
      const { id, name, gender, identifiers, password_hash, activated, verified = false } = user
      const one = (kind: IdentifierKind) =>
        identifiers.find((identifier) => identifier.kind === kind)
      const values = (['username', 'email', 'mobile'] as const).flatMap((kind) => [
        one(kind)?.text ?? null,
        one(kind)?.canonical ?? null,
      ])
      const { rows } = await db.query<User>(
        `with created as (
           insert into users (id, name, gender, password_hash, activated_at, username,
             username_canonical, email, email_canonical, mobile, mobile_canonical,
             email_verified_at, mobile_verified_at)
           values ($1, $2, $3, $4, case when $5 then now() end, $6, $7, $8, $9, $10, $11,
             case when $12 and $8::text is not null then now() end,
             case when $12 and $10::text is not null then now() end)
           on conflict do nothing
           returning *
         ), granted as (
           insert into user_roles (user_id, role) select id, 'user' from created returning role
         )
         select ${createdColumns} from created as users`,
        [id, name, gender, password_hash, activated, ...values, verified],
      )
      return rows[0]
    },

    find,

    get,

    /** The users with these ids, in any order. */
    async list(ids: string[]): Promise<User[]> {
      const sql = `select ${columns} from users where id = any ($1)`
      const { rows } = await db.query<User>(sql, [ids])
      return rows
    },

    /**
     * Locks and returns a user. A transaction that changes what belongs to a user, and takes more
     * locks than one, takes this one first, so that there is no deadlock.
     * @throws AppError `not_found`
     */
    async lock(id: string): Promise<User> {
      await db.query('select from users where id = $1 for update', [id])
      return get(id)
    },

    /** Locks a user against changes, as a new row that refers to it does. Returns false if it does not exist. */
    async lockShared(id: string): Promise<boolean> {
      const { rowCount } = await db.query('select from users where id = $1 for key share', [id])
      return rowCount === 1
    },

    /** Marks an address as verified and the account as activated. Returns false if the address has changed. */
    async verify(id: string, kind: AddressKind, canonical: string): Promise<boolean> {
      const { rowCount } = await db.query(
        `update users set ${kind}_verified_at = coalesce(${kind}_verified_at, now()),
           activated_at = coalesce(activated_at, now()), updated_at = now(), proven_at = ${provenAt}
         where id = $1 and ${kind}_canonical = $2`,
        [id, canonical],
      )
      return rowCount === 1
    },

    /**
     * Writes the given changes. A new address is unverified, unless its change has `verified`.
     * @throws AppError `username_taken`, `email_taken`, `mobile_taken`, `not_found`, or
     *   `validation_failed` if the user would have no identifier left
     */
    async update(id: string, { name, gender, identifiers = [] }: UserChanges): Promise<User> {
      const values: unknown[] = [id]
      const set = ['updated_at = now()']
      const put = (column: string, value: unknown) =>
        set.push(`${column} = $${String(values.push(value))}`)
      if (name !== undefined) put('name', name)
      if (gender !== undefined) put('gender', gender)
      for (const { kind, identifier, verified = false } of identifiers) {
        put(kind, identifier?.text ?? null)
        put(`${kind}_canonical`, identifier?.canonical ?? null)
        const at = verified && identifier ? 'now()' : 'null'
        if (kind !== 'username') set.push(`${kind}_verified_at = ${at}`)
      }
      const isVerified = addressKinds.map((kind) => {
        const change = identifiers.findLast((one) => one.kind === kind)
        if (!change) return `${kind}_verified_at is not null`
        return String(change.identifier !== null && change.verified === true)
      })
      set.push(`proven_at = case when ${isVerified.join(' or ')} then ${provenAt} end`)
      const { rows } = await db
        .query<User>(
          `update users set ${set.join(', ')} where id = $1 returning ${columns}`,
          values,
        )
        .catch(rethrowRefused)
      if (!rows[0]) throw new AppError('not_found')
      return rows[0]
    },

    async setDisabled(id: string, disabled: boolean): Promise<void> {
      await db.query(
        `update users set disabled_at = case when $2 then coalesce(disabled_at, now()) end,
           updated_at = now() where id = $1`,
        [id, disabled],
      )
    },

    async delete(id: string): Promise<boolean> {
      const { rowCount } = await db.query('delete from users where id = $1', [id])
      return rowCount === 1
    },
  }

  /** @throws AppError `not_found` */
  async function get(id: string): Promise<User> {
    const user = await find(id)
    if (!user) throw new AppError('not_found')
    return user
  }

  async function find(id: string): Promise<User | undefined> {
    const { rows } = await db.query<User>(`select ${columns} from users where id = $1`, [id])
    return rows[0]
  }
}

export type UserRepository = ReturnType<typeof createUserRepository>

function rethrowRefused(error: unknown): never {
  const constraint = violatedConstraint(error)
  if (constraint === 'users_identifier_check') {
    const fields = [
      { field: 'email', message: 'is required unless a username or a mobile number remains' },
    ]
    throw new AppError('validation_failed', { fields, cause: error })
  }
  const code = errorOfConstraint[constraint as keyof typeof errorOfConstraint] as
    (typeof errorOfConstraint)[keyof typeof errorOfConstraint] | undefined
  if (!code) throw error
  throw taken(code.replace('_taken', '') as IdentifierKind, error)
}
