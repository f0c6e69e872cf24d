import type { Db } from '../../db/pool.js'
import type { ProfileFields } from '../users/profile.js'
import { identifierKinds, type IdentifierKind } from '../identifiers/identifiers.js'

/** What an import takes over beside names, identifiers and the password. */
export type ImportedHistory = {
  activated_at: string | null
  disabled_at: string | null
  email_verified_at: string | null
  mobile_verified_at: string | null
  created_at: string
  updated_at: string
  last_login_at: string | null
  roles: string[]
  /** Since when an address is verified without a break, and identities at providers: an export has them. */
  proven_at: string | null
  identities: ImportedIdentity[]
}

export type ImportedIdentity = {
  issuer: string
  subject: string
  email: string | null
  created_at: string
}

export type NewImportedUser = ProfileFields &
  ImportedHistory & {
    id: string
    password_hash: string | null
    password_scheme: string | null
    names: string[]
  } & Partial<Record<IdentifierKind | `${IdentifierKind}_canonical`, string>>

/** A user who exists, with the identifiers that count. */
export type Holder = { id: string } & Record<`${IdentifierKind}_canonical`, string | null>

/** All SQL of imports. */
export function createImportRepository(db: Db) {
  return {
    /** The users who have one of these ids or identifiers. */
    async findHolders(ids: string[], canonical: Record<IdentifierKind, string[]>) {
      const { rows } = await db.query<Holder>(
        `select id, username_canonical, email_canonical, mobile_canonical from users
         where id = any($1) or username_canonical = any($2) or email_canonical = any($3)
           or mobile_canonical = any($4)`,
        [ids, canonical.username, canonical.email, canonical.mobile],
      )
      return rows
    },

    /**
     * Inserts users with their roles. A user whose id or identifier another one has is left out.
     * @returns the ids of the users that were inserted
     */
    async insert(users: NewImportedUser[]): Promise<string[]> {
      const { rows } = await db.query<{ id: string }>(
        `with given as (
           select * from jsonb_to_recordset($1) as given (
             id uuid, name text, gender text, password_hash text, password_scheme text,
             activated_at timestamptz, disabled_at timestamptz, email_verified_at timestamptz,
             mobile_verified_at timestamptz, proven_at timestamptz, created_at timestamptz, updated_at timestamptz,
             last_login_at timestamptz, username text, username_canonical text, email text,
             email_canonical text, mobile text, mobile_canonical text, roles text[], names text[], identities jsonb)
         ), created as (
           insert into users (${columns}) select ${columns} from given
           on conflict do nothing returning id
         ), granted as (
           insert into user_roles (user_id, role)
           select id, 'user' from created
           union
           select id, unnest(roles) from given where id in (select id from created)
           returning user_id
         ), named as (
           insert into imported_names (name, user_id)
           select unnest(names), id from given where id in (select id from created)
           on conflict do nothing
         ), connected as (
           insert into identities (user_id, issuer, subject, email, created_at)
           select given.id, issuer, subject, each.email, each.created_at
           from given, jsonb_to_recordset(identities) as each (
             issuer text, subject text, email text, created_at timestamptz)
           where given.id in (select id from created)
           on conflict do nothing
         ) select id from created`,
        [JSON.stringify(users)],
      )
      return rows.map(({ id }) => id)
    },

    /**
     * Tells the planner how many users there are. The plans of a table that was empty read all of it, for each row of
     * an import: 100,000 rows took minutes.
     */
    async analyze(): Promise<void> {
      await db.query('analyze users, user_roles')
    },

    /** Creates the roles that are missing. */
    async createRoles(names: string[]): Promise<void> {
      await db.query('insert into roles (name) select unnest($1::text[]) on conflict do nothing', [
        names,
      ])
    },
  }
}

const columns = [
  'id, name, gender, password_hash, password_scheme, activated_at, disabled_at',
  'email_verified_at, mobile_verified_at, proven_at, created_at, updated_at, last_login_at',
  ...identifierKinds.map((kind) => `${kind}, ${kind}_canonical`),
].join(', ')

export type ImportRepository = ReturnType<typeof createImportRepository>
