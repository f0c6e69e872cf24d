import { createHash } from 'node:crypto'
import type { FieldError } from '../../errors.js'
import { sentenceOf } from '../../http/sentences.js'
import { identifierKinds, readIdentifiers, type Identifier } from '../identifiers/identifiers.js'
import { readForeign } from '../passwords/foreign/formats.js'
import type { HashHints } from '../passwords/foreign/reading.js'
import type { StoredHash } from '../passwords/foreign/stored.js'
import { maxPasswordBytes } from '../passwords/policy.js'
import { faultsOfProfile, newProfile, type ProfileFields } from '../users/profile.js'
import type { Mapping, ImportField } from './mapping.js'
import type { ImportedHistory, ImportedIdentity } from './repository.js'
import { toBoolean, toMoment, toText, toTime, toUuid, ValueFault } from './values.js'

/** A row of the source. `place` is its line, or its number. */
export type SourceRow = { place: number; values: Record<string, unknown> } | SkippedRow

/** A row that the source could not read. */
export type SkippedRow = { place: number; values?: undefined; fault: string }

export type ReadPassword = { hash: StoredHash; text: string } | { plain: string } | undefined

export type ImportedUser = ProfileFields &
  ImportedHistory & {
    place: number
    id: string
    identifiers: Identifier[]
    /** How the old app names the user in its tokens: `id:12`, `email:ada@example.org`. */
    names: string[]
    password: ReadPassword
    /** The name of a file. */
    picture: string | undefined
  }

export type RowRules = {
  mapping: Mapping
  hints: HashHints
  /** The password column holds passwords, not hashes. */
  plain: boolean
  allowAdmin: boolean
  /** The row is of an export of Gatehouse. */
  isOwn: boolean
  /** The keys that are stored. A hash may name one. */
  keys: ReadonlySet<string>
  /** The roles that exist. */
  roles: ReadonlySet<string>
  /** The time of the import, in milliseconds since 1970. */
  now: number
}

/** How many characters of an identifier a report shows. */
const maxIdentifier = 100

/** Reads a row. Returns every fault of it as one sentence each, with the identifier that names the row. */
export function readRow(
  { place, values }: { place: number; values: Record<string, unknown> },
  { mapping, hints, plain, allowAdmin, isOwn, keys, roles: known, now }: RowRules,
): ImportedUser | { faults: string[]; identifier: string } {
  const faults: string[] = []
  const valueOf = (field: ImportField): unknown => {
    const column = mapping[field]
    return column === undefined ? undefined : values[column]
  }
  const importedAt = new Date(now).toISOString()

  const texts = Object.fromEntries(
    (['name', 'gender', ...identifierKinds] as const).flatMap((field) => {
      const text = attempt(field, () => toText(valueOf(field)))
      return text === undefined ? [] : [[field, text]]
    }),
  ) as Partial<Record<'name' | 'gender' | 'email' | 'username' | 'mobile', string>>
  const { identifiers, faults: identifierFaults } = readIdentifiers(texts)
  for (const fault of [...identifierFaults, ...faultsOfProfile(texts)]) addFault(fault)
  if (identifiers.length === 0 && faults.length === 0) {
    faults.push('The row has no e-mail address, username or mobile number.')
  }

  const created_at = attempt('created_at', () => toTime(valueOf('created_at'), now))
  const time = (field: ImportField) => attempt(field, () => toTime(valueOf(field), now)) ?? null
  const since = (field: ImportField) =>
    attempt(field, () => toMoment(valueOf(field), now, created_at ?? importedAt)) ?? null
  const isEnabled =
    mapping.enabled === undefined || attempt('enabled', () => toBoolean(valueOf('enabled')))

  const user: ImportedUser = {
    place,
    id: toUuid(valueOf('id')) ?? idFrom(identifiers, created_at),
    ...newProfile(texts),
    identifiers,
    // Old tokens must not log in a user who changed the password in another Gatehouse.
    names: isOwn ? [] : namesOf(identifiers, valueOf('id')),
    password: readPassword(),
    picture: attempt('picture', () => toText(valueOf('picture'))),
    activated_at: mapping.activated === undefined ? (created_at ?? importedAt) : since('activated'),
    disabled_at: isEnabled ? since('disabled') : importedAt,
    email_verified_at: ifHas('email', since('email_verified')),
    mobile_verified_at: ifHas('mobile', since('mobile_verified')),
    created_at: created_at ?? importedAt,
    updated_at: time('updated_at') ?? created_at ?? importedAt,
    last_login_at: time('last_login_at'),
    roles: readRoles(),
    proven_at: isOwn ? (attempt('proven_at', () => toTime(values.proven_at, now)) ?? null) : null,
    identities: isOwn ? readIdentities(values.identities) : [],
  }
  const { email, username, mobile } = texts
  const identifier = (email ?? username ?? mobile ?? '').slice(0, maxIdentifier)
  return faults.length > 0 ? { faults, identifier } : user

  function addFault(fault: FieldError): void {
    faults.push(sentenceOf(fault))
  }

  function attempt<Value>(field: ImportField | 'proven_at', read: () => Value): Value | undefined {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof ValueFault)) throw error
      const column = field === 'proven_at' ? field : mapping[field]
      addFault({ field: column ?? field, message: error.message })
      return undefined
    }
  }

  function ifHas(kind: 'email' | 'mobile', at: string | null): string | null {
    return identifiers.some((identifier) => identifier.kind === kind) ? at : null
  }

  function readPassword(): ReadPassword {
    const text = attempt('password_hash', () => toText(valueOf('password_hash')))
    if (plain) {
      if (text === undefined) return undefined
      if (Buffer.byteLength(text) <= maxPasswordBytes) return { plain: text }
      faults.push(`The password has more than ${String(maxPasswordBytes)} bytes.`)
      return undefined
    }
    const hash = text?.trim()
    // Django, LDAP and /etc/shadow mark an account without a usable password like this.
    if (hash === undefined || /^[!*]/.test(hash) || hash === 'x') return undefined
    const salt = attempt('password_salt', () => toText(valueOf('password_salt')))
    const read = readForeign(hash, { ...hints, ...(salt !== undefined && { salt }) })
    const fault = 'fault' in read ? read.fault : faultOfKey(read)
    if (!('fault' in read) && fault === undefined) return { hash: read, text: hash }
    faults.push(`The password hash ${String(fault)}.`)
    return undefined
  }

  function faultOfKey({ recipe }: StoredHash): string | undefined {
    const isKnown = !('key' in recipe) || recipe.key === undefined || keys.has(recipe.key)
    return isKnown ? undefined : 'needs a key that is not stored here'
  }

  function readIdentities(value: unknown): ImportedIdentity[] {
    const list = Array.isArray(value) ? (value as unknown[]) : []
    const identities = list.filter(isIdentity)
    if (identities.length < list.length)
      faults.push('A connected identity in the row is malformed.')
    return identities
  }

  function readRoles(): string[] {
    const text = attempt('roles', () => joinList(valueOf('roles')))
    const isAdmin = attempt('admin', () => toBoolean(valueOf('admin')))
    const names = (text ?? '').split(/[\s,;{}[\]"]+/).filter((name) => name !== '')
    const roles = new Set(names.map((name) => name.toLowerCase()))
    if (isAdmin) roles.add('admin')
    roles.delete('user') // every user has it
    if (roles.has('admin') && !allowAdmin) {
      faults.push('The row asks for the role admin: add --allow-admin to grant it.')
    }
    for (const role of roles) {
      if (!known.has(role)) faults.push(`There is no role ${role}: create it with POST /api/roles.`)
    }
    return [...roles].sort()
  }
}

const isIdentity = (value: unknown): value is ImportedIdentity => {
  const { issuer, subject, email, created_at } = (value ?? {}) as Record<string, unknown>
  const isEmail = email === null || typeof email === 'string'
  return [issuer, subject, created_at].every((each) => typeof each === 'string') && isEmail
}

function namesOf(identifiers: Identifier[], id: unknown): string[] {
  const ids = [typeof id === 'number' || typeof id === 'bigint' ? String(id) : id, toUuid(id)]
  return [
    ...identifiers.map(({ kind, canonical }) => `${kind}:${canonical}`),
    ...ids.filter(isName).map((each) => `id:${each.toLowerCase()}`),
  ]
}

const isName = (id: unknown): id is string =>
  typeof id === 'string' && id !== '' && id.length <= 255 && !id.includes('\0')

/** A list of JSON, or a text. */
const joinList = (value: unknown) =>
  toText(Array.isArray(value) ? value.map(String).join(',') : value)

/**
 * The id of a user whose old id is no UUID. It depends on the row alone, so that a second run of the import finds
 * the user. Its first part is the time, as in a UUIDv7.
 */
function idFrom(identifiers: Identifier[], createdAt = '2000-01-01T00:00:00.000Z'): string {
  const names = identifiers.map(({ kind, canonical }) => `${kind}:${canonical}`)
  const digest = createHash('sha256')
    .update(`gatehouse import ${names.join(' ')}`)
    .digest('hex')
  const time = Date.parse(createdAt).toString(16).padStart(12, '0')
  const variant = (8 + (parseInt(digest.charAt(3), 16) % 4)).toString(16)
  const parts = [time.slice(0, 8), time.slice(8), `7${digest.slice(0, 3)}`]
  return [...parts, `${variant}${digest.slice(4, 7)}`, digest.slice(7, 19)].join('-')
}
