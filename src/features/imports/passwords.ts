import { isWeak } from '../passwords/foreign/costs.js'
import { writeStored, writeWrapped } from '../passwords/foreign/stored.js'
import type { PasswordHasher } from '../passwords/hash.js'
import type { ReadPassword } from './row.js'

/** What is stored of an imported password: never the text itself, nor a hash that is easy to crack. */
export async function toStored(
  password: ReadPassword,
  { hash: hashNew, wrap }: Pick<PasswordHasher, 'hash' | 'wrap'>,
): Promise<string | null> {
  if (!password) return null
  if ('plain' in password) return hashNew(password.plain)
  const { hash, text } = password
  if (hash.wrapping !== undefined) return text
  return isWeak(hash.recipe)
    ? writeWrapped(hash.recipe, await wrap(hash.digest))
    : writeStored(hash.recipe, hash.digest)
}

/** The scheme of a hash as it is stored; undefined without a password. */
export function schemeOf(password: ReadPassword): string | undefined {
  if (!password) return undefined
  if ('plain' in password) return 'plain'
  const { recipe, scheme, wrapping } = password.hash
  return wrapping === undefined && isWeak(recipe) ? `wrapped$${scheme}` : scheme
}
