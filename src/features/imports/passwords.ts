import { isWeak } from '../passwords/foreign/costs.js'
import { wrappedSchemeOf } from '../passwords/foreign/recipe.js'
import { writeStored, writeWrapped, type StoredHash } from '../passwords/foreign/stored.js'
import type { PasswordHasher } from '../passwords/hash.js'
import type { ReadPassword } from './row.js'

/** What is stored of an imported password: never the text itself, nor a hash that is easy to crack. */
export async function toStored(
  password: ReadPassword,
  passwords: Pick<PasswordHasher, 'hash' | 'wrap' | 'schemeOf'>,
): Promise<string | null> {
  if (!password) return null
  if ('plain' in password) return passwords.hash(password.plain)
  const { hash, text } = password
  if (hash.wrapping !== undefined) return text
  return isWrapped(hash, passwords)
    ? writeWrapped(hash.recipe, await passwords.wrap(hash.digest))
    : writeStored(hash.recipe, hash.digest)
}

/** The scheme of a hash as it is stored; undefined without a password. */
export function schemeOf(
  password: ReadPassword,
  passwords: Pick<PasswordHasher, 'schemeOf'>,
): string | undefined {
  if (!password) return undefined
  if ('plain' in password) return 'plain'
  const { hash } = password
  const isNew = hash.wrapping === undefined && isWrapped(hash, passwords)
  return isNew ? wrappedSchemeOf(hash.recipe) : hash.scheme
}

/** A hash with the present parameters is kept: hashing it again with them would protect nothing more. */
function isWrapped(
  { recipe, digest }: Extract<StoredHash, { digest: Buffer }>,
  passwords: Pick<PasswordHasher, 'schemeOf'>,
): boolean {
  return isWeak(recipe) && passwords.schemeOf(writeStored(recipe, digest)) !== null
}
