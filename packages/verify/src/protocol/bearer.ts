import { isRepeated } from './headers.js'

/**
 * The text after `Bearer`, or undefined without an Authorization header (RFC 6750 §2.1).
 * @param rawHeaders `rawHeaders` of the Node request: `request.headers` hides a repeated Authorization header
 * @returns an empty string, which is not a valid token, for a repeated header or another scheme
 */
export function bearerOf(
  authorization: string | undefined,
  rawHeaders: string[],
): string | undefined {
  if (authorization === undefined) return undefined
  const isBearer = authorization.slice(0, 7).toLowerCase() === 'bearer '
  if (!isBearer || isRepeated('authorization', rawHeaders)) return ''
  return authorization.slice(7)
}
