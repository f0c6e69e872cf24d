import { AppError } from '../../errors.js'

/** The credentials of a client (RFC 6749 §2.3.1). A public client has no secret. */
export type Credentials = { client_id: string; client_secret?: string }

/** The error of a failed client authentication, with the Basic challenge (RFC 6749 §5.2, RFC 7617 §2.1). */
export const invalidClient = (cause?: unknown) =>
  new AppError('invalid_client', {
    headers: { 'www-authenticate': 'Basic realm="gatehouse", charset="UTF-8"' },
    cause,
  })
