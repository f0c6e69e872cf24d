import { invalidField } from '../../errors.js'

/** What a user logs in with. */
export const identifierKinds = ['email', 'username', 'mobile'] as const
export type IdentifierKind = (typeof identifierKinds)[number]

/** Those that a message can be sent to. */
export const addressKinds = ['email', 'mobile'] as const
export type AddressKind = (typeof addressKinds)[number]

/** An identifier as the user typed it, tidied, and in the form that decides who has it. */
export type Identifier = { kind: IdentifierKind; text: string; canonical: string }

// RFC 5321 §4.5.3.1: 64 octets before the @, 254 in all; a quoted local part is not taken.
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
    message: 'must be 1 to 64 letters and digits, with . _ - between them',
  },
  mobile: {
    isValid: (text) => mobile.test(text),
    message: 'must be 6 to 15 digits, with or without + before them',
  },
}

/**
 * Reads what was typed into an identifier: first normalised, then judged, so that no look-alike
 * spelling passes as another user.
 * @throws AppError `validation_failed` naming the field
 */
export function readIdentifier(kind: IdentifierKind, typed: string): Identifier {
  const text = typed.normalize('NFKC').trim()
  const { isValid, message } = rules[kind]
  const canonical = canonicalise(kind, text)
  // Control and format characters, fillers, joiners, variation selectors: what nobody sees.
  const hides = /[\p{C}\p{Default_Ignorable_Code_Point}]/u.test(text)
  if (hides || !isValid(canonical)) throw invalidField(kind, message)
  return { kind, text, canonical }
}

function canonicalise(kind: IdentifierKind, text: string): string {
  if (kind === 'mobile') return text.replace(/[\s().-]/g, '')
  return text.toLowerCase().normalize('NFKC')
}
