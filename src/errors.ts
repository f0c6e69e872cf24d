/**
 * Every error that a client can get: code → HTTP status and message. Codes are stable and public: the
 * OpenAPI enum and docs/reference/errors.md are generated from this object. Messages are for people.
 */
export const errors = {
  validation_failed: [400, 'The request is not valid'],
  invalid_json: [400, 'The body is not valid JSON'],
  weak_password: [400, 'The password is not acceptable'],
  invalid_code: [400, 'The code or link is wrong, used or expired'],
  invalid_invitation: [400, 'The invitation is wrong, used or expired'],
  invalid_grant: [400, 'The code or token is wrong, used or expired'],
  unauthorized_client: [400, 'This client may not use this grant type'],
  authorization_pending: [400, 'The user has not answered yet'],
  slow_down: [400, 'The device asks too often'],
  access_denied: [400, 'The user has denied the request'],
  expired_token: [400, 'The device code has expired'],
  invalid_scope: [400, 'Scopes are not supported'],
  unsupported_grant_type: [400, 'This grant type is not supported'],
  invalid_attestation: [400, 'The attestation of the visitor is not valid'],
  file_required: [400, 'A file is required'],
  bad_request: [400, 'The request cannot be understood'],
  invalid_passkey: [400, 'The passkey was not accepted: try again'],
  invalid_state: [400, 'This login has expired: start again'],
  invalid_credentials: [401, 'Invalid credentials'],
  invalid_token: [401, 'Not logged in'],
  insufficient_user_authentication: [401, 'Log in with a second factor'],
  provider_refused: [401, 'The provider did not confirm your identity'],
  token_stale: [401, 'The token is out of date: refresh it'],
  invalid_client: [401, 'Client authentication failed'],
  activation_required: [403, 'The account is not activated yet'],
  reauthentication_required: [403, 'Confirm this with your password, or log in again'],
  registration_closed: [403, 'Registration is closed'],
  invitation_required: [403, 'Registration needs an invitation'],
  domain_not_allowed: [403, 'E-mail addresses of this domain are not accepted'],
  second_factor_required: [403, 'A second factor is required'],
  user_verification_required: [403, 'Use the PIN, fingerprint or face of the passkey'],
  second_factor_missing: [403, 'This needs a login with a second factor'],
  email_required: [403, 'The provider did not share an e-mail address'],
  forbidden: [403, 'Not allowed'],
  cross_site_request: [403, 'Requests from another site are not allowed with a session cookie'],
  not_found: [404, 'Not found'],
  method_not_allowed: [405, 'This path does not have this method'],
  request_timeout: [408, 'The request took too long'],
  username_taken: [409, 'This username is already used'],
  email_taken: [409, 'This e-mail address is already used'],
  mobile_taken: [409, 'This mobile number is already used'],
  account_exists: [
    409,
    'This e-mail address has an account: log in to it, then connect the provider',
  ],
  identity_taken: [
    409,
    'This provider account, or another one of the same provider, is connected already',
  ],
  last_login_method: [409, 'This is the only way to log in: set a password first'],
  role_taken: [409, 'This role already exists'],
  built_in_role: [409, 'This role is built in'],
  last_admin: [409, 'At least one enabled administrator must remain'],
  api_key_limit: [409, 'The user has 50 API keys already'],
  passkey_limit: [409, 'The user has 20 passkeys already'],
  passkey_taken: [409, 'This passkey is registered already'],
  factor_required: [409, 'The service requires a second factor'],
  no_address: [409, 'The account has no e-mail address and no mobile number'],
  body_too_large: [413, 'The body is too large'],
  uri_too_long: [414, 'The URI is too long'],
  unsupported_media_type: [415, 'The content type is not supported'],
  invalid_picture: [422, 'The file is not a readable PNG, JPEG or WebP picture'],
  invalid_readme: [422, 'The README cannot be read'],
  rate_limited: [429, 'Too many attempts: try again later'],
  headers_too_large: [431, 'The headers are too large'],
  internal: [500, 'Internal error'],
  overloaded: [503, 'The service is overloaded: try again soon'],
  provider_failed: [503, 'The provider does not answer correctly: try again soon'],
  unavailable: [503, 'Temporarily unavailable: try again soon'],
} as const satisfies Record<string, readonly [status: number, message: string]>

export type ErrorCode = keyof typeof errors

/**
 * What is wrong with a field of a request. `message` continues a sentence that begins with the field, which
 * http/sentences.ts writes. `label` names the field to people; it follows from `field` if it is left out.
 */
export type FieldError = { field: string; message: string; label?: string }

type Details = {
  fields?: FieldError[]
  retryAfter?: number
  headers?: Record<string, string>
  cookies?: string[]
  data?: Record<string, unknown>
  cause?: unknown
}

/**
 * The error that handlers and services throw. `cause` is logged and never sent. `fields` lists the invalid
 * input. `retryAfter` is in seconds. `headers` and `cookies` (Set-Cookie lines) are added to the reply, and
 * `data` to its body.
 */
export class AppError extends Error {
  readonly code: ErrorCode
  readonly statusCode: number
  readonly fields: FieldError[] | undefined
  readonly retryAfter: number | undefined
  readonly headers: Record<string, string> | undefined
  readonly cookies: string[] | undefined
  readonly data: Record<string, unknown> | undefined

  constructor(
    code: ErrorCode,
    { fields, retryAfter, headers, cookies, data, cause }: Details = {},
  ) {
    const [statusCode, message] = errors[code]
    super(message, { cause })
    this.name = 'AppError'
    this.code = code
    this.statusCode = statusCode
    this.fields = fields
    this.headers = headers
    this.cookies = cookies
    this.data = data
    this.retryAfter = retryAfter ?? (statusCode === 503 ? 1 : undefined)
  }
}

/** An error that the operator can fix. Its message says how, so no stack is printed. */
export class OperatorError extends Error {}

/** The error for one invalid field. `message` continues a sentence that begins with the field's name. */
export function invalidField(field: string, message: string): AppError {
  return new AppError('validation_failed', { fields: [{ field, message }] })
}

/** The error for an identifier that another user has. */
export function taken(kind: 'username' | 'email' | 'mobile', cause?: unknown): AppError {
  const fields = [{ field: kind, message: 'is already used' }]
  return new AppError(`${kind}_taken`, { fields, cause })
}
