import { violatedConstraint, type Db } from '../../db/pool.js'
import { AppError, taken } from '../../errors.js'
import type { UserColumns } from './columns.js'
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
  /** An administrator set the addresses: they count as verified. */
  verified?: boolean
}

/** What a login needs to know; never leaves the service. */
export type Credential = {
  user: User
  password_hash: string | null
  /** How often the password was changed. */
  password_version: number
  activated: boolean
  disabled: boolean
}

/** Who already has an identifier that someone wants. */
export type Holder = {
  kind: IdentifierKind
  user_id: string
  activated: boolean
  disabled: boolean
  /** This identifier is an address that was verified. */
  verified: boolean
  /** Some address of the account was. */
  proven: boolean
}

/** What is known about the holder of an address. */
export type Standing = {
  user_id: string
  email_verified: boolean
  mobile_verified: boolean
  disabled: boolean
}

/** `null` takes a value away. */
export type UserChanges = Partial<ProfileFields> & {
  identifiers?: { kind: IdentifierKind; identifier: Identifier | null; verified?: boolean }[]
}

const takenBy = {
  users_username_key: 'username_taken',
  users_email_key: 'email_taken',
  users_mobile_key: 'mobile_taken',
} as const

/** Stays as long as some address is verified. The clock is read late: nothing slips in while a lock is waited for. */
const provenAt =
  'coalesce(proven_at, least(email_verified_at, mobile_verified_at), clock_timestamp())'

/** The only SQL about one user. */
export function createUserRepository(
  db: Db,
  { user: columns, created: createdColumns }: UserColumns,
) {
  return {
    /** Undefined where another user has one of the identifiers: the database decides. */
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

    /** In the order of the identifiers that were asked for. */
    async findHolders(identifiers: Identifier[]): Promise<Holder[]> {
      const { rows } = await db.query<Holder>(
        `select wanted.kind, users.id as user_id, activated_at is not null as activated,
           disabled_at is not null as disabled,
           case kind when 'email' then email_verified_at when 'mobile' then mobile_verified_at end
             is not null as verified,
           num_nonnulls(email_verified_at, mobile_verified_at) > 0 as proven
         from unnest($1::text[], $2::text[]) with ordinality as wanted (kind, canonical, place)
         join users on canonical = case kind when 'username' then username_canonical
           when 'email' then email_canonical else mobile_canonical end
         order by place`,
        [identifiers.map(({ kind }) => kind), identifiers.map(({ canonical }) => canonical)],
      )
      return rows
    },

    find,

    get,

    /**
     * The same, and nobody else changes or deletes them until the transaction ends. Whatever changes a
     * user and what belongs to them begins with this, so that no two wait for each other.
     * @throws AppError `not_found`
     */
    async lock(id: string): Promise<User> {
      await db.query('select from users where id = $1 for update', [id])
      return get(id)
    },

    /**
     * Locks a user, and whoever has the address, in the order of their ids: no two wait for each other.
     * @returns the holder of the address
     * @throws AppError `unavailable` where the address got another holder meanwhile
     */
    async lockWithHolder(
      id: string,
      kind: AddressKind,
      canonical: string,
    ): Promise<Standing | undefined> {
      const { rows } = await db.query<{ id: string }>(
        `select id from users where id = $1 or ${kind}_canonical = $2 order by id for update`,
        [id, canonical],
      )
      const holder = await findStanding(kind, canonical)
      if (!holder || holder[`${kind}_verified`]) return holder
      if (!rows.some((row) => row.id === holder.user_id)) throw new AppError('unavailable')
      return holder
    },

    /** Locks them as `lock` does: what the answer says holds until the transaction ends. */
    async lockHolder(kind: AddressKind, canonical: string): Promise<Standing | undefined> {
      return findStanding(kind, canonical, 'for update')
    },

    findCredential({ kind, canonical }: Identifier): Promise<Credential | undefined> {
      return findCredential(`${kind}_canonical`, canonical)
    },

    findCredentialById: (id: string): Promise<Credential | undefined> => findCredential('id', id),

    /** Replaces the hash of the same password, unless that was changed meanwhile. */
    async replaceHash(id: string, oldHash: string, newHash: string): Promise<boolean> {
      const { rowCount } = await db.query(
        'update users set password_hash = $3 where id = $1 and password_hash = $2',
        [id, oldHash, newHash],
      )
      return rowCount === 1
    },

    /** Returns the new version; undefined if the password was changed meanwhile. */
    async changePassword(
      id: string,
      oldHash: string,
      newHash: string,
    ): Promise<number | undefined> {
      const { rows } = await db.query<{ version: number }>(
        `update users set password_hash = $3, password_version = password_version + 1
         where id = $1 and password_hash = $2 returning password_version as version`,
        [id, oldHash, newHash],
      )
      return rows[0]?.version
    },

    /** Returns the new version. */
    async setPassword(id: string, hash: string | null): Promise<number> {
      const { rows } = await db.query<{ version: number }>(
        `update users set password_hash = $2, password_version = password_version + 1,
           updated_at = now()
         where id = $1 returning password_version as version`,
        [id, hash],
      )
      return rows[0]?.version ?? 0
    },

    /** Marks an address as verified, and the account as activated; false where it is no longer theirs. */
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
     * Writes what is there to write; an address that changes is unverified unless it says otherwise.
     * @throws AppError `username_taken`, `email_taken`, `mobile_taken`, `not_found`, or
     *   `validation_failed` where no identifier would be left
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

  async function findStanding(
    kind: AddressKind,
    canonical: string,
    lock = '',
  ): Promise<Standing | undefined> {
    const { rows } = await db.query<Standing>(
      `select id as user_id, email_verified_at is not null as email_verified,
         mobile_verified_at is not null as mobile_verified, disabled_at is not null as disabled
       from users where ${kind}_canonical = $1 ${lock}`,
      [canonical],
    )
    return rows[0]
  }

  async function findCredential(column: string, value: string): Promise<Credential | undefined> {
    const { rows } = await db.query<User & Omit<Credential, 'user'>>(
      `select ${columns}, password_hash, password_version, activated_at is not null as activated,
         disabled_at is not null as disabled
       from users where ${column} = $1`,
      [value],
    )
    const [row] = rows
    if (!row) return undefined
    const { password_hash, password_version, activated, disabled, ...user } = row
    return { user, password_hash, password_version, activated, disabled }
  }
}

export type UserRepository = ReturnType<typeof createUserRepository>

function rethrowRefused(error: unknown): never {
  const constraint = violatedConstraint(error)
  if (constraint === 'users_identifier_check') {
    const fields = [{ field: 'email', message: 'or a username, or a mobile number, must be left' }]
    throw new AppError('validation_failed', { fields, cause: error })
  }
  const code = takenBy[constraint as keyof typeof takenBy] as
    (typeof takenBy)[keyof typeof takenBy] | undefined
  if (!code) throw error
  throw taken(code.replace('_taken', '') as IdentifierKind, error)
}
