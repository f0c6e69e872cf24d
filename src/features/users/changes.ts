import { AppError } from '../../errors.js'
import {
  identifierKinds,
  readIdentifier,
  readIdentifiers,
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
  const changed = identifierKinds.filter(
    (kind) => body[kind] !== undefined && body[kind] !== before[kind],
  )
  const typed = Object.fromEntries(changed.map((kind) => [kind, body[kind] ?? undefined]))
  const { identifiers, faults } = readIdentifiers(typed)
  if (faults.length > 0) throw new AppError('validation_failed', { fields: faults })
  return changed.flatMap((kind): IdentifierChange[] => {
    const identifier = identifiers.find((one) => one.kind === kind)
    if (!identifier) return [{ kind, identifier: null }]
    const current = before[kind]
    const isSame =
      current !== null && readIdentifier(kind, current).canonical === identifier.canonical
    // An address in another form (case, spaces) is the same address; a username may change its case.
    return isSame && kind !== 'username' ? [] : [{ kind, identifier }]
  })
}
