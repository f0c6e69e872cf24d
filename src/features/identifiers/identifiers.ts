import { domainToASCII } from 'node:url'
import { invalidField, type FieldError } from '../../errors.js'

/** The kinds of identifiers that users log in with. */
export const identifierKinds = ['email', 'username', 'mobile'] as const
export type IdentifierKind = (typeof identifierKinds)[number]

/** The kinds of identifiers that receive messages. */
export const addressKinds = ['email', 'mobile'] as const
export type AddressKind = (typeof addressKinds)[number]

/** An identifier as the user typed it (`text`), and in the form that must be unique (`canonical`). */
export type Identifier = { kind: IdentifierKind; text: string; canonical: string }

/** An identifier that receives messages. */
export type Address = Identifier & { kind: AddressKind }

export const isAddress = (identifier: Identifier): identifier is Address =>
  identifier.kind !== 'username'

/** Identifiers as a user typed them. */
type Typed = Partial<Record<IdentifierKind, string | undefined>>

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
  const identifier = parse(kind, typed)
  if (!identifier) throw invalidField(kind, rules[kind].message)
  return identifier
}

/**
 * Reads an identifier of any kind: an address with @, a mobile number, or else a username.
 * @throws AppError `validation_failed` with the field `identifier`
 */
export function readAnyIdentifier(typed: string): Identifier {
  const identifier = parse(kindOf(typed), typed)
  if (identifier) return identifier
  throw invalidField('identifier', 'must be an e-mail address, a username or a mobile number')
}

/** Digits that could be a mobile number are one: a username of digits only needs its own field. */
export function kindOf(typed: string): IdentifierKind {
  const text = typed.normalize('NFKC').trim()
  if (text.includes('@')) return 'email'
  return /^\+?[0-9][0-9\s().-]{5,}$/.test(text) ? 'mobile' : 'username'
}

/** Reads every identifier that is given, as readIdentifier() does, and collects the faults. */
export function readIdentifiers(typed: Typed): {
  identifiers: Identifier[]
  faults: FieldError[]
} {
  const identifiers: Identifier[] = []
  const faults: FieldError[] = []
  for (const kind of identifierKinds) {
    const text = typed[kind]
    if (text === undefined) continue
    const identifier = parse(kind, text)
    if (identifier) identifiers.push(identifier)
    else faults.push({ field: kind, message: rules[kind].message })
  }
  return { identifiers, faults }
}

const names: Record<IdentifierKind, string> = {
  email: 'an e-mail address',
  username: 'a username',
  mobile: 'a mobile number',
}

/** The fault of a body without an identifier of these kinds. It names the field of the first kind. */
export function faultsOfNone(kinds: readonly IdentifierKind[], typed: Typed): FieldError[] {
  if (kinds.some((kind) => typed[kind] !== undefined)) return []
  const [field = 'email', ...others] = kinds
  const either = others.map((kind) => names[kind]).join(' or ')
  return [{ field, message: `is required unless ${either} is given` }]
}

function parse(kind: IdentifierKind, typed: string): Identifier | undefined {
  const typedText = typed.normalize('NFKC').trim()
  const text = kind === 'email' ? withAsciiDomain(typedText) : typedText
  const canonical = canonicalise(kind, text)
  // Control and format characters, fillers, joiners and variation selectors.
  const hasInvisible = /[\p{C}\p{Default_Ignorable_Code_Point}]/u.test(typedText)
  return hasInvisible || !rules[kind].isValid(canonical) ? undefined : { kind, text, canonical }
}

/**
 * An e-mail address with the A-labels of its domain (RFC 5890, UTS 46). Headers, tokens and mail carry only
 * ASCII, and a domain that looks like another is seen to differ. A domain that has none is left as it is.
 */
function withAsciiDomain(address: string): string {
  const at = address.lastIndexOf('@') + 1
  const domain = address.slice(at)
  // domainToASCII() would also read percent codes and IP addresses.
  const isInternational =
    /[^ -~]/.test(domain) &&
    /^[\p{L}\p{M}\p{N}.\u3002-]+$/u.test(domain) &&
    !/(?:^|[.\u3002])(?:0x[0-9a-f]*|[0-9]+)[.\u3002]?$/i.test(domain)
  return at > 0 && isInternational ? address.slice(0, at) + domainToASCII(domain) : address
}

function canonicalise(kind: IdentifierKind, text: string): string {
  if (kind === 'mobile') return text.replace(/[\s().-]/g, '')
  return text.toLowerCase().normalize('NFKC')
}
