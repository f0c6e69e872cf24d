import { Type, type Static } from '@sinclair/typebox'
import { proof } from '../codes/schemas.js'
import { InvitationToken } from '../invitations/schemas.js'
import { Identifiers, IdentifierText } from '../identifiers/schemas.js'
import { Password, profile } from '../users/schemas.js'

export const RegisterBody = Type.Object(
  {
    ...Identifiers,
    ...profile,
    password: Password,
    invitation: Type.Optional(InvitationToken),
  },
  { title: 'RegisterBody', additionalProperties: false },
)
export type RegisterBody = Static<typeof RegisterBody>

/** The address that a message is sent to. Exactly one of the two is required. */
export const AddressBody = Type.Object(
  {
    email: Type.Optional(IdentifierText('e-mail address')),
    mobile: Type.Optional(IdentifierText('mobile number')),
  },
  { title: 'AddressBody', additionalProperties: false },
)
export type AddressBody = Static<typeof AddressBody>

export const ResetBody = Type.Object(
  { ...proof, new_password: Password },
  { title: 'ResetBody', additionalProperties: false },
)
export type ResetBody = Static<typeof ResetBody>
