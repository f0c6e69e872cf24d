import type { Db } from '../../db/pool.js'
import { AppError } from '../../errors.js'
import type { AddressKind, Identifier, IdentifierKind } from '../identifiers/identifiers.js'

/** The user that has an identifier. */
export type Holder = {
  kind: IdentifierKind
  user_id: string
  activated: boolean
  disabled: boolean
  /** Whether this identifier is a verified address. */
  verified: boolean
  /** Whether any address of the account is verified. */
  proven: boolean
}

/** The user that has an address. */
export type AddressHolder = {
  user_id: string
  email_verified: boolean
  mobile_verified: boolean
  disabled: boolean
}

/** The SQL about the users that have an identifier. */
export function createHolderQueries(db: Db) {
  return {
    /** Returns the users that have these identifiers, in the order of the identifiers. */
    async findHolders(identifiers: Identifier[]): Promise<Holder[]> {
      const { rows } = await db.query<Holder>(
        `select wanted.kind, users.id as user_id, activated_at is not null as activated,
           disabled_at is not null as disabled,
           case kind when 'email' then email_verified_at when 'mobile' then mobile_verified_at end
             is not null as verified,
           num_nonnulls(email_verified_at, mobile_verified_at) > 0 as proven
         from unnest($1::text[], $2::text[]) with ordinality as wanted (kind, canonical, place)
         join users on kind = 'username' and canonical = username_canonical
           or kind = 'email' and canonical = email_canonical
           or kind = 'mobile' and canonical = mobile_canonical
         order by place`,
        [identifiers.map(({ kind }) => kind), identifiers.map(({ canonical }) => canonical)],
      )
      return rows
    },

    /**
     * Locks a user and the holder of the address, in the order of their ids, so that there is no deadlock.
     * @returns the holder of the address
     * @throws AppError `unavailable` if the address got another holder meanwhile
     */
    async lockWithHolder(
      id: string,
      kind: AddressKind,
      canonical: string,
    ): Promise<AddressHolder | undefined> {
      const { rows } = await db.query<{ id: string }>(
        `select id from users where id = $1 or ${kind}_canonical = $2 order by id for update`,
        [id, canonical],
      )
      const holder = await findAddressHolder(kind, canonical)
      if (!holder || holder[`${kind}_verified`]) return holder
      if (!rows.some((row) => row.id === holder.user_id)) throw new AppError('unavailable')
      return holder
    },

    /** Locks and returns the holder of an address; it does not change before the transaction ends. */
    async lockHolder(kind: AddressKind, canonical: string): Promise<AddressHolder | undefined> {
      return findAddressHolder(kind, canonical, 'for update')
    },
  }

  async function findAddressHolder(
    kind: AddressKind,
    canonical: string,
    lock = '',
  ): Promise<AddressHolder | undefined> {
    const { rows } = await db.query<AddressHolder>(
      `select id as user_id, email_verified_at is not null as email_verified,
         mobile_verified_at is not null as mobile_verified, disabled_at is not null as disabled
       from users where ${kind}_canonical = $1 ${lock}`,
      [canonical],
    )
    return rows[0]
  }
}
