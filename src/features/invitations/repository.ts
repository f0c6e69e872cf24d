import { pageSql, parameters, toPage, type Page } from '../../db/keyset.js'
import type { Db } from '../../db/pool.js'
import type { PageRequest } from '../../http/lists.js'
import type { Address, AddressKind } from '../identifiers/identifiers.js'
import type { Invitation } from './schemas.js'

export type NewInvitation = {
  id: string
  /** Undefined until the message with the token is sent. */
  token_hash: Buffer | undefined
  /** Undefined: anyone may use it. */
  address: Address | undefined
  /** Whether the token is sent to the address, and so proves who owns it. */
  is_proof: boolean
  roles: string[]
  inviter_id: string | null
  client_id: string | null
  /** In seconds. */
  ttl: number
}

/** An invitation that can be used. */
export type UsableInvitation = {
  id: string
  kind: AddressKind | null
  address: string | null
  address_canonical: string | null
  is_proof: boolean
  /** Those of its roles that still exist. */
  roles: string[]
}

const columns = `id, case when kind = 'email' then address end as email,
  case when kind = 'mobile' then address end as mobile, roles,
  coalesce(inviter_id, client_id) as inviter_id, created_at, expires_at, used_at`

const usable = `id, kind, address, address_canonical, is_proof,
  array(select name from roles where name = any (invitations.roles) order by name) as roles`

/** An inviter who may no longer invite anyone makes the invitation void. */
const isUsable = `used_at is null and expires_at > now() and (inviter_id is null or exists (
  select from user_roles join users u on u.id = user_id
  where user_id = inviter_id and role = 'admin' and u.activated_at is not null and u.disabled_at is null))
  and (client_id is null or exists (
    select from client_roles c where c.client_id = invitations.client_id and c.role = 'admin'))`

/** All SQL about invitations. The clock is the database's. */
export function createInvitationRepository(db: Db) {
  return {
    async create(invitation: NewInvitation): Promise<Invitation> {
      const { id, token_hash, address, is_proof, roles, inviter_id, client_id, ttl } = invitation
      const { rows } = await db.query<Invitation>(
        `insert into invitations (id, token_hash, kind, address, address_canonical, is_proof, roles,
           inviter_id, client_id, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, now() + make_interval(secs => $10))
         returning ${columns}`,
        [
          id,
          token_hash,
          address?.kind,
          address?.text,
          address?.canonical,
          is_proof,
          roles,
          inviter_id,
          client_id,
          ttl,
        ],
      )
      const [created] = rows
      if (!created) throw new Error('the database returned no row')
      return created
    },

    /** Stores the hash of a new token. Returns false if the invitation cannot be used any more. */
    async setToken(id: string, hash: Buffer): Promise<boolean> {
      const { rowCount } = await db.query(
        `update invitations set token_hash = $2 where id = $1 and ${isUsable}`,
        [id, hash],
      )
      return rowCount === 1
    },

    /** Finds an invitation that can be used. Does not use it up. */
    async find(hash: Buffer): Promise<UsableInvitation | undefined> {
      const { rows } = await db.query<UsableInvitation>(
        `select ${usable} from invitations where token_hash = $1 and ${isUsable}`,
        [hash],
      )
      return rows[0]
    },

    /**
     * Uses an invitation up. The lock on the inviter makes it wait for a change of the inviter's rights, which the
     * last statement then sees. It locks roles before users, as every other transaction.
     */
    async redeem(hash: Buffer): Promise<UsableInvitation | undefined> {
      await db.query(
        `select from roles where name in (select unnest(roles) from invitations where token_hash = $1)
         order by name for key share`,
        [hash],
      )
      await db.query(
        `select from users where id = (select inviter_id from invitations where token_hash = $1)
         for share`,
        [hash],
      )
      const { rows } = await db.query<UsableInvitation>(
        `update invitations set used_at = now() where token_hash = $1 and ${isUsable}
         returning ${usable}`,
        [hash],
      )
      return rows[0]
    },

    async list({ limit, ...page }: PageRequest<never>): Promise<Page<Invitation>> {
      const { values, put } = parameters()
      const sql = pageSql({ ...page, key: undefined }, put)
      const { rows } = await db.query<Invitation & { sort_key: string | null }>(
        `select ${columns}, ${sql.sortKey} from invitations where ${sql.isAfter}
         order by ${sql.order} limit ${put(limit + 1)}`,
        values,
      )
      return toPage(rows, limit)
    },

    async delete(id: string): Promise<boolean> {
      const { rowCount } = await db.query(
        'delete from invitations where id = $1 and used_at is null',
        [id],
      )
      return rowCount === 1
    },
  }
}

export type InvitationRepository = ReturnType<typeof createInvitationRepository>
