import { AppError } from '../../errors.js'

/** What a client shows of itself (RFC 6749 §2.3.1). */
export type Credentials = { client_id: string; client_secret: string }

/** With the challenge of the scheme that would do (RFC 6749 §5.2, RFC 7617 §2.1). */
export const invalidClient = (cause?: unknown) =>
  new AppError('invalid_client', {
    headers: { 'www-authenticate': 'Basic realm="gatehouse", charset="UTF-8"' },
    cause,
  })
