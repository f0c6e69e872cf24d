import { AppError } from '../errors.js'

/**
 * The text behind `Bearer`, or undefined without an Authorization header (RFC 6750 §2.1).
 * @param rawHeaders names and values as they came: of two of them Node shows the first alone
 * @throws AppError `invalid_token` when there are two, or one of another scheme
 */
export function bearerOf(
  authorization: string | undefined,
  rawHeaders: string[],
): string | undefined {
  if (authorization === undefined) return undefined
  const count = rawHeaders.filter(
    (name, at) => at % 2 === 0 && /^authorization$/i.test(name),
  ).length
  const token = /^Bearer ([^\s,]+)$/i.exec(authorization)?.[1]
  if (count !== 1 || token === undefined) throw new AppError('invalid_token')
  return token
}
