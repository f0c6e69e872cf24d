import {
  readScheme,
  readWrappedScheme,
  schemeOf,
  toArgon2,
  toBase64,
  toBytes,
  wrappedSchemeOf,
  type Recipe,
} from './recipe.js'
import { faultOfCost } from './costs.js'

/** A password hash as the column `password_hash` has it. */
export type StoredHash = {
  recipe: Recipe
  /** Name and costs, which decide how long a verification takes. */
  scheme: string
} & (
  | { digest: Buffer; wrapping?: undefined }
  /** argon2id of the digest in base64: the digest itself is too weak to be stored. */
  | { digest?: undefined; wrapping: string }
)

const argon2id = /^\$argon2id\$v=19\$m=\d{1,9},t=\d{1,9},p=\d{1,9}\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+$/
const argon2 =
  /^\$(?<type>argon2i|argon2d|argon2id)\$v=(?<version>16|19)\$m=(?<m>\d{1,9}),t=(?<t>\d{1,9}),p=(?<p>\d{1,9})\$(?<salt>[A-Za-z0-9+/]+)\$(?<digest>[A-Za-z0-9+/]+)$/
const wrapped = /^\$wrapped\$([a-z0-9-]+)\$((?:v=\d+\$)?[^$]+)\$([A-Za-z0-9+/]*)(\$argon2id\$.+)$/
const plain = /^\$([a-z0-9-]+)\$([^$]+)\$([A-Za-z0-9+/]*)\$([A-Za-z0-9+/]+)$/

/** The longest text of a hash. */
export const maxHashLength = 1_024

/**
 * Reads a stored hash, in one of three forms: `$argon2…` as everywhere, `$SCHEME$COSTS$SALT$DIGEST`, and
 * `$wrapped$SCHEME$COSTS$SALT$argon2id$…`. Returns undefined for anything else.
 */
export function readStored(text: string): StoredHash | undefined {
  if (text.length > maxHashLength) return undefined
  const { groups } = argon2.exec(text) ?? {}
  if (groups) {
    const digest = toBytes(groups.digest ?? '')
    const recipe = toArgon2(groups, digest?.length ?? 0)
    return recipe && toStored(recipe, { digest })
  }
  const inner = wrapped.exec(text)
  const [, name = '', parameters = '', salt = '', rest = ''] = inner ?? plain.exec(text) ?? []
  if (inner) {
    const recipe = readWrappedScheme(name, parameters, salt)
    return recipe && argon2id.test(rest) ? toStored(recipe, { wrapping: rest }) : undefined
  }
  const recipe = readScheme(name, parameters, salt)
  return recipe && toStored(recipe, { digest: toBytes(rest) })
}

/** What makes a hash too expensive to verify, of its own or of the argon2id hash around it; undefined if nothing. */
export function faultOfStored({ recipe, wrapping }: StoredHash): string | undefined {
  const outer = wrapping === undefined ? undefined : readStored(wrapping)
  return faultOfCost(recipe) ?? (outer && faultOfCost(outer.recipe))
}

/**
 * A hash of this scheme that no password has, for measuring how long a verification takes.
 * @param wrapping an argon2id hash, for a wrapped scheme
 */
export function dummyOf(scheme: string, wrapping: string): string {
  // 22 characters, as bcrypt needs, in base64.
  const salt = toBase64(Buffer.from('abcdefghijklmnopqrstuu'))
  if (scheme.startsWith('wrapped$')) return `$${scheme}$${salt}${wrapping}`
  return `$${scheme}$${salt}$${toBase64(Buffer.alloc(32))}`
}

function toStored(
  recipe: Recipe,
  by: { digest: Buffer | undefined } | { wrapping: string },
): StoredHash | undefined {
  if ('wrapping' in by) return { recipe, scheme: wrappedSchemeOf(recipe), ...by }
  const { digest } = by
  // Shorter ones match too many passwords.
  if (!digest || digest.length < 16) return undefined
  return { recipe, scheme: schemeOf(recipe), digest }
}

/** The text of a hash. Its salt and digest are base64. */
export const writeStored = (recipe: Recipe, digest: Buffer) =>
  `$${schemeOf(recipe)}$${saltOf(recipe)}$${toBase64(digest)}`

/** @param wrapping argon2id of toBase64() of the digest */
export const writeWrapped = (recipe: Recipe, wrapping: string) =>
  `$${wrappedSchemeOf(recipe)}$${saltOf(recipe)}${wrapping}`

function saltOf(recipe: Recipe): string {
  if (recipe.kind === 'argon2') return recipe.salt
  return toBase64(typeof recipe.salt === 'string' ? Buffer.from(recipe.salt) : recipe.salt)
}
