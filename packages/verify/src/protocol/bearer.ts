import { isRepeated } from './headers.js'

/**
 * The text behind `Bearer`, or undefined without an Authorization header (RFC 6750 §2.1).
 * @param rawHeaders names and values as they came: of two of them Node shows the first alone
 * @returns an empty text, which is no token, for two headers or another scheme
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
