// Written by `npm run docs` from the OpenAPI document.

/** Stable; for programs. */
export type ErrorCode =
  | 'validation_failed'
  | 'invalid_json'
  | 'weak_password'
  | 'invalid_code'
  | 'invalid_invitation'
  | 'invalid_grant'
  | 'unauthorized_client'
  | 'authorization_pending'
  | 'slow_down'
  | 'access_denied'
  | 'expired_token'
  | 'invalid_scope'
  | 'unsupported_grant_type'
  | 'invalid_attestation'
  | 'file_required'
  | 'bad_request'
  | 'invalid_passkey'
  | 'invalid_state'
  | 'invalid_credentials'
  | 'invalid_token'
  | 'insufficient_user_authentication'
  | 'provider_refused'
  | 'token_stale'
  | 'invalid_client'
  | 'activation_required'
  | 'reauthentication_required'
  | 'registration_closed'
  | 'invitation_required'
  | 'domain_not_allowed'
  | 'second_factor_required'
  | 'user_verification_required'
  | 'second_factor_missing'
  | 'email_required'
  | 'forbidden'
  | 'cross_site_request'
  | 'not_found'
  | 'method_not_allowed'
  | 'request_timeout'
  | 'username_taken'
  | 'email_taken'
  | 'mobile_taken'
  | 'account_exists'
  | 'identity_taken'
  | 'last_login_method'
  | 'role_taken'
  | 'built_in_role'
  | 'last_admin'
  | 'api_key_limit'
  | 'passkey_limit'
  | 'passkey_taken'
  | 'factor_required'
  | 'no_address'
  | 'body_too_large'
  | 'uri_too_long'
  | 'unsupported_media_type'
  | 'invalid_picture'
  | 'invalid_readme'
  | 'rate_limited'
  | 'headers_too_large'
  | 'internal'
  | 'overloaded'
  | 'provider_failed'
  | 'unavailable'

export type FieldError = {
  /** the name in the request */
  field: string
  /** a sentence for the user */
  message: string
}

export type User = {
  /** UUIDv7, never reassigned */
  id: string
  /** display name */
  name: string | null
  /** unique */
  username: string | null
  /** unique */
  email: string | null
  /** unique */
  mobile: string | null
  /** free text */
  gender: string | null
  /** the owner confirmed the address, or an administrator set it */
  email_verified: boolean
  /** the same for the mobile number */
  mobile_verified: boolean
  /** activated and not disabled */
  active: boolean
  roles: string[]
  /** URL of the picture; it changes with the picture */
  picture_url: string | null
  /** URL of the README */
  readme_url: string | null
  created_at: string
  updated_at: string
}

export type Session = {
  id: string
  user_agent: string | null
  /** the IP address of the login */
  address: string
  created_at: string
  /** the login or the last refresh */
  last_used_at: string
  expires_at: string
  /** whether this request belongs to the session */
  current: boolean
}

export type Readme = {
  /** the YAML, as JSON */
  front_matter: Record<string, unknown>
  markdown: string
}

export type RegisterBody = {
  /** e-mail address */
  email?: string
  /** user name */
  username?: string
  /** mobile number */
  mobile?: string
  name?: string
  gender?: string
  /** 8 characters to 1,024 bytes */
  password: string
  /** the `token` of an invitation */
  invitation?: string
}

export type LoginBody = {
  /** e-mail address */
  email?: string
  /** user name */
  username?: string
  /** mobile number */
  mobile?: string
  /** any of the three, as a person types it */
  identifier?: string
  password: string
}

export type ProofBody = {
  /** the token of the link */
  token?: string
  /** the address that the code was sent to */
  email?: string
  /** the number that the code was sent to */
  mobile?: string
  /** eight digits */
  code?: string
}

export type ProfileBody = {
  name?: string | null
  gender?: string | null
  username?: string | null
  email?: string | null
  mobile?: string | null
  /** the current password; required if the login is older than five minutes */
  password?: string
}

export type PasswordBody = {
  old_password: string
  /** 8 characters to 1,024 bytes */
  new_password: string
}

export type AddressBody = {
  /** e-mail address */
  email?: string
  /** mobile number */
  mobile?: string
}

export type ResetBody = {
  /** the token of the link */
  token?: string
  /** the address that the code was sent to */
  email?: string
  /** the number that the code was sent to */
  mobile?: string
  /** eight digits */
  code?: string
  /** 8 characters to 1,024 bytes */
  new_password: string
}

export type VerifyBody = {
  /** from the error `second_factor_required` */
  challenge: string
  /** six digits of the authenticator app, or a recovery code */
  code: string
  /** do not ask this device for the second factor for 30 days */
  trust?: boolean
}

export type LoginReply = {
  status: 'success'
  message: string
  /** JWT, `typ: at+jwt` (RFC 9068) */
  access_token: string
  /** JWT, `typ: rt+jwt`, for POST /api/refresh only */
  refresh_token: string
  token_type: 'Bearer'
  /** seconds that the access token lives */
  expires_in: number
  /** seconds that the session lives */
  refresh_expires_in: number
  user: User
}

export type RefreshReply = {
  status: 'success'
  message: string
  /** JWT, `typ: at+jwt` (RFC 9068) */
  access_token: string
  /** JWT, `typ: rt+jwt`, for POST /api/refresh only */
  refresh_token: string
  token_type: 'Bearer'
  /** seconds that the access token lives */
  expires_in: number
  /** seconds that the session lives */
  refresh_expires_in: number
}

export type UserReply = {
  status: 'success'
  message?: string
  user: User
}

export type ProfileReply = {
  status: 'success'
  message: string
  user: User
  /** addresses that change when the user confirms them by the message */
  pending: ('email' | 'mobile')[]
}

export type SessionsReply = {
  status: 'success'
  sessions: Session[]
}

export type ReadmeReply = {
  status: 'success'
  message?: string
  readme: Readme
}

export type VerifyReply = {
  status: 'success'
  message: string
  /** JWT, `typ: at+jwt` (RFC 9068) */
  access_token: string
  /** JWT, `typ: rt+jwt`, for POST /api/refresh only */
  refresh_token: string
  token_type: 'Bearer'
  /** seconds that the access token lives */
  expires_in: number
  /** seconds that the session lives */
  refresh_expires_in: number
  user: User
  /** shown once; each works once in the place of a code */
  recovery_codes?: string[]
}
