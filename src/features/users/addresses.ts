import { addressKinds, type AddressKind } from '../identifiers/identifiers.js'
import type { User } from './schemas.js'

/**
 * The address for messages to a user: a verified one if there is one, because an unverified address may
 * belong to another person. Undefined if the user has no address.
 */
export function addressFor(user: User): { kind: AddressKind; address: string } | undefined {
  const kind =
    addressKinds.find((name) => user[`${name}_verified`]) ??
    addressKinds.find((name) => user[name] !== null)
  const address = kind && user[kind]
  return kind && address ? { kind, address } : undefined
}
