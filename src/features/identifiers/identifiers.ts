import { invalidField } from '../../errors.js'

/** The kinds of identifiers that users log in with. */
export const identifierKinds = ['email', 'username', 'mobile'] as const
export type IdentifierKind = (typeof identifierKinds)[number]

/** The kinds of identifiers that receive messages. */
export const addressKinds = ['email', 'mobile'] as const
export type AddressKind = (typeof addressKinds)[number]

/** An identifier as the user typed it (`text`), and in the form that must be unique (`canonical`). */
export type Identifier = { kind: IdentifierKind; text: string; canonical: string }

// RFC 5321 §4.5.3.1: at most 64 octets before the @, 254 in all. Quoted local parts are not accepted.
const email =
  /^(?=.{3,254}$)[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
const username = /^[\p{L}\p{N}](?:[\p{L}\p{M}\p{N}._-]{0,62}[\p{L}\p{M}\p{N}])?$/u
const mobile = /^\+?[0-9]{6,15}$/

const rules: Record<IdentifierKind, { isValid: (text: string) => boolean; message: string }> = {
  email: {
    isValid: (text) => email.test(text) && text.indexOf('@') <= 64,
    message: 'must be an e-mail address',
  },
  username: {
    isValid: (text) => username.test(text),
    message: 'must be 1 to 64 letters and digits; . _ - are allowed between them',
  },
  mobile: {
    isValid: (text) => mobile.test(text),
    message: 'must be 6 to 15 digits, with or without a leading +',
  },
}

/**
 * Reads an identifier as a user typed it. It is normalised (NFKC) before it is validated, so that another
 * encoding of the same characters cannot pass as another user.
 * @throws AppError `validation_failed` with the field
 */
export function readIdentifier(kind: IdentifierKind, typed: string): Identifier {
  const text = typed.normalize('NFKC').trim()
  const { isValid, message } = rules[kind]
  const canonical = canonicalise(kind, text)
  // Control and format characters, fillers, joiners and variation selectors.
  const hasInvisible = /[\p{C}\p{Default_Ignorable_Code_Point}]/u.test(text)
  if (hasInvisible || !isValid(canonical)) throw invalidField(kind, message)
  return { kind, text, canonical }
}

function canonicalise(kind: IdentifierKind, text: string): string {
  if (kind === 'mobile') return text.replace(/[\s().-]/g, '')
  return text.toLowerCase().normalize('NFKC')
}
