import { AppError } from '../errors.js'

export type RefusalCode = 'invalid_token' | 'token_stale' | 'unavailable' | 'forbidden'

/** Why a token is refused; `headers` and `statusCode` (401, 403, 503) are for the reply. */
export type Refusal = AppError & { code: RefusalCode; headers: Record<string, string> }

// RFC 6750 §3, §3.1.
const headersOf: Record<RefusalCode, Record<string, string>> = {
  invalid_token: { 'www-authenticate': 'Bearer error="invalid_token"' },
  token_stale: { 'www-authenticate': 'Bearer error="invalid_token"' },
  forbidden: { 'www-authenticate': 'Bearer error="insufficient_scope"' },
  unavailable: { 'retry-after': '1' },
}

export const refusal = (code: RefusalCode, cause?: unknown): AppError =>
  new AppError(code, { headers: headersOf[code], cause })

/** Without a token there is nothing to find fault with. */
export const challenge = (): AppError =>
  new AppError('invalid_token', { headers: { 'www-authenticate': 'Bearer' } })

/** A refusal as it is; anything else means that nobody can tell. */
export function toRefusal(error: unknown): AppError {
  if (error instanceof AppError && error.code in headersOf) {
    return error.headers ? error : refusal(error.code as RefusalCode, error.cause)
  }
  return refusal('unavailable', error)
}
