import { addressKinds, type AddressKind } from '../identifiers/identifiers.js'
import type { User } from './schemas.js'

/**
 * Where to write to a user: an address that was verified, if there is one. The others may be somebody
 * else's.
 */
export function addressFor(user: User): { kind: AddressKind; address: string } | undefined {
  const kind =
    addressKinds.find((name) => user[`${name}_verified`]) ??
    addressKinds.find((name) => user[name] !== null)
  const address = kind && user[kind]
  return kind && address ? { kind, address } : undefined
}
