const refusals = {
  invalid_token: [401, 'Not logged in'],
  token_stale: [401, 'The token is out of date: refresh it'],
  insufficient_user_authentication: [401, 'The login is not good enough: log in again'],
  forbidden: [403, 'Not allowed'],
  unavailable: [503, 'Temporarily unavailable: try again soon'],
} as const satisfies Record<string, readonly [status: number, message: string]>

export type RefusalCode = keyof typeof refusals

type Headers = Record<string, string>

// RFC 6750 §3, §3.1.
const headersOf: Record<Exclude<RefusalCode, 'insufficient_user_authentication'>, Headers> = {
  invalid_token: { 'www-authenticate': 'Bearer error="invalid_token"' },
  token_stale: { 'www-authenticate': 'Bearer error="invalid_token"' },
  forbidden: { 'www-authenticate': 'Bearer error="insufficient_scope"' },
  unavailable: { 'retry-after': '1' },
}

/** The reason why a token is refused. `statusCode` (401, 403, 503) and `headers` are for the reply. */
export class Refusal extends Error {
  readonly code: RefusalCode
  readonly statusCode: number
  readonly headers: Record<string, string>

  constructor(code: RefusalCode, headers: Record<string, string>, cause?: unknown) {
    const [statusCode, message] = refusals[code]
    super(message, { cause })
    this.name = 'Refusal'
    this.code = code
    this.statusCode = statusCode
    this.headers = headers
  }
}

export const refusal = (code: keyof typeof headersOf, cause?: unknown): Refusal =>
  new Refusal(code, headersOf[code], cause)

/** The refusal of a request without a token. Its challenge has no error code (RFC 6750 §3.1). */
export const challenge = (): Refusal =>
  new Refusal('invalid_token', { 'www-authenticate': 'Bearer' })

/** The refusal of a token whose user logged in more than `maxAge` seconds ago (RFC 9470 §3). */
export const oldLogin = (maxAge: number): Refusal =>
  new Refusal('insufficient_user_authentication', {
    'www-authenticate': [
      'Bearer error="insufficient_user_authentication"',
      'error_description="A more recent login is required"',
      `max_age="${String(maxAge)}"`,
    ].join(', '),
  })

/** The refusal of a request whose user gave no second factor (RFC 9470 §3). */
export const weakLogin = (): Refusal =>
  new Refusal('insufficient_user_authentication', {
    'www-authenticate': [
      'Bearer error="insufficient_user_authentication"',
      'error_description="A login with a second factor is required"',
      'acr_values="mfa"',
    ].join(', '),
  })

/** Returns a refusal as it is. After any other error the state of the token is unknown. */
export function toRefusal(error: unknown): Refusal {
  return error instanceof Refusal ? error : refusal('unavailable', error)
}
