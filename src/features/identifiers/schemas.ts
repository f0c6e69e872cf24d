import { Type } from '@sinclair/typebox'

/** The schema only limits the length. identifiers.ts normalises and validates the text. */
export const IdentifierText = (description: string) =>
  Type.String({ minLength: 1, maxLength: 320, description })

export const Identifiers = {
  email: Type.Optional(IdentifierText('e-mail address')),
  username: Type.Optional(IdentifierText('user name')),
  mobile: Type.Optional(IdentifierText('mobile number')),
}
