import {
  identifierKinds,
  readIdentifier,
  type AddressKind,
  type Identifier,
  type IdentifierKind,
} from '../identifiers/identifiers.js'
import type { ProfileChanges } from './profile.js'
import type { UserChanges } from './repository.js'
import type { User } from './schemas.js'

/** What a client asks to change: `null` takes a value away, what is absent stays. */
export type ChangesBody = ProfileChanges & Partial<Record<IdentifierKind, string | null>>

export type IdentifierChange = NonNullable<UserChanges['identifiers']>[number]

/** An address that somebody wants to have, and has yet to prove. */
export type NewAddress = IdentifierChange & { kind: AddressKind; identifier: Identifier }

export const isNewAddress = (change: IdentifierChange): change is NewAddress =>
  change.kind !== 'username' && change.identifier !== null

/** The identifiers that would be others than before. @throws AppError `validation_failed` */
export function readIdentifierChanges(body: ChangesBody, before: User): IdentifierChange[] {
  return identifierKinds.flatMap((kind): IdentifierChange[] => {
    const typed = body[kind]
    const present = before[kind]
    if (typed === undefined || typed === present) return []
    if (typed === null) return [{ kind, identifier: null }]
    const identifier = readIdentifier(kind, typed)
    const isSame =
      present !== null && readIdentifier(kind, present).canonical === identifier.canonical
    // Another spelling of the same address is no other address.
    return isSame && kind !== 'username' ? [] : [{ kind, identifier }]
  })
}
