import { Type, type Static } from '@sinclair/typebox'

/** RFC 8693 §2.1, §3. */
export const tokenExchange = 'urn:ietf:params:oauth:grant-type:token-exchange'
export const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token'

/** RFC 8628 §3.4. */
export const deviceCodeGrant = 'urn:ietf:params:oauth:grant-type:device_code'

// Unknown parameters are ignored (RFC 6749 §3.2).
const credentials = {
  client_id: Type.Optional(Type.String()),
  client_secret: Type.Optional(Type.String()),
}

export const TokenForm = Type.Object(
  {
    grant_type: Type.String({
      description:
        '`authorization_code`, `client_credentials`, `refresh_token`, for an API key `urn:ietf:params:oauth:grant-type:token-exchange`, or for a device `urn:ietf:params:oauth:grant-type:device_code`',
    }),
    code: Type.Optional(Type.String({ description: 'from the redirect; for one use' })),
    redirect_uri: Type.Optional(Type.String({ description: 'that of the authorization request' })),
    code_verifier: Type.Optional(Type.String({ description: '43 to 128 characters (RFC 7636)' })),
    refresh_token: Type.Optional(Type.String()),
    device_code: Type.Optional(
      Type.String({ description: 'from `POST /oauth/device_authorization`; for one use' }),
    ),
    subject_token: Type.Optional(Type.String({ description: 'an API key (RFC 8693 §2.1)' })),
    subject_token_type: Type.Optional(
      Type.String({ description: '`urn:ietf:params:oauth:token-type:access_token`' }),
    ),
    requested_token_type: Type.Optional(Type.String({ description: 'the same, or left out' })),
    audience: Type.Optional(Type.String({ description: 'not supported for an API key' })),
    resource: Type.Optional(Type.String({ description: 'not supported for an API key' })),
    actor_token: Type.Optional(Type.String({ description: 'not supported for an API key' })),
    scope: Type.Optional(Type.String({ description: 'not supported; leave it out' })),
    ...credentials,
  },
  { title: 'TokenForm' },
)
export type TokenForm = Static<typeof TokenForm>

/** RFC 8628 §3.1. */
export const DeviceForm = Type.Object(
  {
    scope: Type.Optional(Type.String({ description: 'not supported; leave it out' })),
    resource: Type.Optional(Type.String({ description: 'not supported' })),
    ...credentials,
  },
  { title: 'DeviceForm' },
)
export type DeviceForm = Static<typeof DeviceForm>

/** RFC 7662 §2.1, RFC 7009 §2.1. */
export const TokenQuery = Type.Object(
  {
    token: Type.String({
      description:
        'an access token, an API key or a refresh token; introspection answers `active: false` for a refresh token',
    }),
    token_type_hint: Type.Optional(Type.String({ description: 'ignored' })),
    ...credentials,
  },
  { title: 'TokenQuery' },
)

/** RFC 6749 §5.1. */
export const TokenReply = Type.Object(
  {
    access_token: Type.String({ description: 'JWT, `typ: at+jwt` (RFC 9068)' }),
    issued_token_type: Type.Optional(
      Type.String({ description: 'for an API key (RFC 8693 §2.2.1)' }),
    ),
    token_type: Type.Literal('Bearer'),
    expires_in: Type.Integer({ description: 'seconds that the access token lives' }),
    refresh_token: Type.Optional(Type.String()),
    refresh_expires_in: Type.Optional(
      Type.Integer({ description: 'seconds that the session lives' }),
    ),
  },
  { title: 'TokenReply' },
)
export type TokenReply = Static<typeof TokenReply>

/**
 * RFC 7662 §2.2. For an invalid token the reply is only `{ active: false }`, and for a refresh token too, even
 * if it is valid.
 */
export const Introspection = Type.Object(
  {
    active: Type.Boolean(),
    token_type: Type.Optional(Type.String({ enum: ['Bearer'] })),
    client_id: Type.Optional(
      Type.String({
        description: 'the client, or the app; `gatehouse` for a login without an app',
      }),
    ),
    username: Type.Optional(
      Type.String({ description: 'the username of the user, or a verified address, or the id' }),
    ),
    sub: Type.Optional(Type.String()),
    roles: Type.Optional(Type.Array(Type.String())),
    iss: Type.Optional(Type.String()),
    aud: Type.Optional(Type.String()),
    jti: Type.Optional(Type.String()),
    sid: Type.Optional(Type.String()),
    auth_time: Type.Optional(Type.Integer({ description: 'when the user logged in' })),
    amr: Type.Optional(Type.Array(Type.String(), { description: 'how the user logged in' })),
    iat: Type.Optional(Type.Integer()),
    exp: Type.Optional(Type.Integer()),
  },
  { title: 'Introspection' },
)
export type Introspection = Static<typeof Introspection>

/** The errors that have the same name in errors.ts (RFC 6749 §5.2, RFC 8628 §3.5). */
export const sharedErrors = [
  'invalid_client',
  'invalid_grant',
  'invalid_scope',
  'unsupported_grant_type',
  'unauthorized_client',
  'authorization_pending',
  'slow_down',
  'access_denied',
  'expired_token',
]

/** RFC 6749 §5.2. */
export const OAuthError = Type.Object(
  {
    error: Type.String({
      enum: ['invalid_request', ...sharedErrors, 'temporarily_unavailable', 'server_error'],
    }),
    error_description: Type.String({ description: 'for people' }),
  },
  { title: 'OAuthError' },
)

/** RFC 8414 §2. */
export const Metadata = Type.Object(
  {
    issuer: Type.String(),
    authorization_endpoint: Type.String(),
    device_authorization_endpoint: Type.Optional(Type.String()),
    token_endpoint: Type.String(),
    introspection_endpoint: Type.String(),
    revocation_endpoint: Type.String(),
    jwks_uri: Type.String(),
    grant_types_supported: Type.Array(Type.String()),
    response_types_supported: Type.Array(Type.String()),
    response_modes_supported: Type.Array(Type.String()),
    code_challenge_methods_supported: Type.Array(Type.String()),
    authorization_response_iss_parameter_supported: Type.Boolean(),
    prompt_values_supported: Type.Array(Type.String()),
    acr_values_supported: Type.Array(Type.String()),
    token_endpoint_auth_methods_supported: Type.Array(Type.String()),
    introspection_endpoint_auth_methods_supported: Type.Array(Type.String()),
    revocation_endpoint_auth_methods_supported: Type.Array(Type.String()),
  },
  { title: 'Metadata' },
)
