import { violatedConstraint, type Db } from '../db/pool.js'
import { AppError } from '../errors.js'
import type { Identifier, IdentifierKind } from './identifiers.js'
import type { User } from './schemas.js'

export type NewUser = {
  id: string
  name: string | null
  gender: string | null
  identifiers: Identifier[]
  password_hash: string
}

/** What a login needs to know; never leaves the service. */
export type Credential = {
  user: User
  epoch: number
  password_hash: string | null
  enabled: boolean
}

const columnsWith = (roles: string) => `
  id, name, username, email, mobile, gender,
  activated_at is not null and disabled_at is null as active,
  array(${roles}) as roles,
  created_at, updated_at`

const columns = columnsWith('select role from user_roles where user_id = users.id order by role')

const takenBy = {
  users_username_key: 'username_taken',
  users_email_key: 'email_taken',
  users_mobile_key: 'mobile_taken',
} as const

/** The only SQL about users. */
export function createUserRepository(db: Db) {
  return {
    /** @throws AppError `username_taken`, `email_taken` or `mobile_taken`: the database decides */
    async create({ id, name, gender, identifiers, password_hash }: NewUser): Promise<User> {
      const one = (kind: IdentifierKind) =>
        identifiers.find((identifier) => identifier.kind === kind)
      const values = (['username', 'email', 'mobile'] as const).flatMap((kind) => [
        one(kind)?.text ?? null,
        one(kind)?.canonical ?? null,
      ])
      const { rows } = await db
        .query<User>(
          `with created as (
             insert into users (id, name, gender, password_hash, username, username_canonical,
               email, email_canonical, mobile, mobile_canonical, activated_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, now())
             returning *
           ), granted as (
             insert into user_roles (user_id, role) select id, 'user' from created returning role
           )
           select ${columnsWith('select role from granted')} from created`,
          [id, name, gender, password_hash, ...values],
        )
        .catch(rethrowTaken)
      return rows[0] as User
    },

    async find(id: string): Promise<User | undefined> {
      const { rows } = await db.query<User>(`select ${columns} from users where id = $1`, [id])
      return rows[0]
    },

    /** @throws AppError `not_found` */
    async get(id: string): Promise<User> {
      const user = await this.find(id)
      if (!user) throw new AppError('not_found')
      return user
    },

    async findCredential({ kind, canonical }: Identifier): Promise<Credential | undefined> {
      const { rows } = await db.query<User & Omit<Credential, 'user' | 'enabled'>>(
        `select ${columns}, epoch, password_hash from users where ${kind}_canonical = $1`,
        [canonical],
      )
      const [row] = rows
      if (!row) return undefined
      const { epoch, password_hash, ...user } = row
      return { user, epoch, password_hash, enabled: user.active }
    },

    /** Replaces a hash unless the password was changed meanwhile. */
    async replaceHash(id: string, oldHash: string, newHash: string): Promise<boolean> {
      const { rowCount } = await db.query(
        'update users set password_hash = $3 where id = $1 and password_hash = $2',
        [id, oldHash, newHash],
      )
      return rowCount === 1
    },
  }
}

export type UserRepository = ReturnType<typeof createUserRepository>

function rethrowTaken(error: unknown): never {
  const constraint = violatedConstraint(error)
  const code = takenBy[constraint as keyof typeof takenBy] as
    (typeof takenBy)[keyof typeof takenBy] | undefined
  if (!code) throw error
  const field = code.replace('_taken', '')
  throw new AppError(code, { fields: [{ field, message: 'is already used' }], cause: error })
}
