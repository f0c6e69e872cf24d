import type { TokenType } from './claims.js'
import type { Algorithm } from './keys.js'
import type { RevocationsType } from './revocations.js'

export type JwsType = TokenType | RevocationsType

/** Finds the key with a `kid`, if it verifies tokens of the type. */
export type Keys<Type, Key> = { find: (kid: string, type: Type) => Key | undefined }

/**
 * The key that verifies a token with this protected header. The service writes only `alg`, `typ` and `kid`. A
 * header with another member (`jwk`, `jku`, `x5c`, `crit`, `b64`, …) is refused.
 */
export function keyForHeader<Key extends { algorithm: Algorithm }, Type extends JwsType>(
  keys: Keys<Type, Key>,
  header: Record<string, unknown>,
  type: Type,
): Key | undefined {
  const { alg, typ, kid } = header
  if (Object.keys(header).length !== 3 || !isMediaType(typ, type)) return undefined
  const key = typeof kid === 'string' ? keys.find(kid, type) : undefined
  return key?.algorithm === alg ? key : undefined
}

/** Compares a `typ` without case. The prefix `application/` is optional (RFC 7515 §4.1.9). */
function isMediaType(typ: unknown, type: JwsType): boolean {
  return typeof typ === 'string' && typ.toLowerCase().replace(/^application\//, '') === type
}
