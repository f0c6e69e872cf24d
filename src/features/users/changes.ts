import {
  identifierKinds,
  readIdentifier,
  type AddressKind,
  type Identifier,
} from '../identifiers/identifiers.js'
import type { UserChanges } from './repository.js'
import type { User } from './schemas.js'

/** What a client asks to change: `null` takes a value away, what is absent stays. */
export type ChangesBody = Partial<
  Record<'name' | 'gender' | 'username' | 'email' | 'mobile', string | null>
>

export type IdentifierChange = NonNullable<UserChanges['identifiers']>[number]

/** An address that somebody wants to have, and has yet to prove. */
export type NewAddress = IdentifierChange & { kind: AddressKind; identifier: Identifier }

export const isNewAddress = (change: IdentifierChange): change is NewAddress =>
  change.kind !== 'username' && change.identifier !== null

/** The changes of the profile, tidied as at the registration. */
export function readProfile({ name, gender }: ChangesBody): Pick<UserChanges, 'name' | 'gender'> {
  return {
    ...(name !== undefined && { name: name?.normalize('NFC').trim() || null }),
    ...(gender !== undefined && { gender: gender?.trim() || null }),
  }
}

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
