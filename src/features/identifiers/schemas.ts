import { Type } from '@sinclair/typebox'

/** Identifiers are bounded here and judged in identifiers.ts, after they are normalised. */
export const IdentifierText = (description: string) =>
  Type.String({ minLength: 1, maxLength: 320, description })

export const Identifiers = {
  email: Type.Optional(IdentifierText('e-mail address')),
  username: Type.Optional(IdentifierText('user name')),
  mobile: Type.Optional(IdentifierText('mobile number')),
}
