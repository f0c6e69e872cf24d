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

/** The requested changes: `null` removes a value, an absent field stays unchanged. */
export type ChangesBody = ProfileChanges & Partial<Record<IdentifierKind, string | null>>

export type IdentifierChange = NonNullable<UserChanges['identifiers']>[number]

/** An address that the user must still confirm. */
export type NewAddress = IdentifierChange & { kind: AddressKind; identifier: Identifier }

export const isNewAddress = (change: IdentifierChange): change is NewAddress =>
  change.kind !== 'username' && change.identifier !== null

/** Returns the identifiers that really change. @throws AppError `validation_failed` */
export function readIdentifierChanges(body: ChangesBody, before: User): IdentifierChange[] {
  return identifierKinds.flatMap((kind): IdentifierChange[] => {
    const typed = body[kind]
    const current = before[kind]
    if (typed === undefined || typed === current) return []
    if (typed === null) return [{ kind, identifier: null }]
    const identifier = readIdentifier(kind, typed)
    const isSame =
      current !== null && readIdentifier(kind, current).canonical === identifier.canonical
    // An address in another form (case, spaces) is the same address; a username may change its case.
    return isSame && kind !== 'username' ? [] : [{ kind, identifier }]
  })
}
