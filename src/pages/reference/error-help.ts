import type { ErrorCode } from '../../errors.js'

/** The cause or the fix of each error, for the reference page and docs/reference/errors.md. */
export const help: Record<ErrorCode, string> = {
  validation_failed: 'A field is missing, unknown or malformed: correct every field in `errors`',
  invalid_json: 'Send UTF-8 JSON without duplicate keys, with `Content-Type: application/json`',
  weak_password: 'Choose a longer or less common password: `errors` says which rule failed',
  invalid_code:
    'Request a new message: this one has expired, was replaced, or had five wrong tries',
  invalid_invitation:
    'It was used, revoked or has expired, or its inviter is no longer an administrator: ask for another',
  invalid_grant:
    'The code is unknown, used or over a minute old, or the session has ended: log in again. A device starts again',
  unauthorized_client: 'Add the client with `gatehouse clients add NAME --device`',
  authorization_pending: 'Wait `interval` seconds, then ask again',
  slow_down: 'Wait five seconds longer than before, each time',
  access_denied: 'The user pressed "Do not log it in": start again if that was a mistake',
  expired_token: 'Ten minutes have passed: get new codes from `POST /oauth/device_authorization`',
  invalid_scope: 'Leave `scope` out: Gatehouse has roles and no scopes',
  unsupported_grant_type:
    'Use `authorization_code`, `client_credentials`, `refresh_token`, the token exchange of RFC 8693 for an API key, or with `DEVICE_LOGIN=on` a device code',
  invalid_attestation:
    'Check the key of the site, and its clock. A request is signed once, within 30 seconds, and not changed',
  file_required: 'Send multipart with exactly one file that is not empty',
  bad_request: 'The request is not valid HTTP, or its path or headers are malformed',
  invalid_passkey:
    'Unknown or removed, answered after five minutes or twice, of another origin, or not genuine: get new options',
  invalid_state: 'The login took too long, had five tries or began in another browser: start again',
  invalid_credentials:
    'Unknown user or wrong password. After 100 wrong guesses an account refuses unknown networks: reset its password',
  invalid_token: 'Missing, malformed, expired or revoked: refresh, or log in again',
  insufficient_user_authentication:
    'A browser is sent to the login, and gives the second factor there: follow `Location`',
  provider_refused: 'The provider denied the login, or its answer failed a check: start again',
  token_stale: 'Roles have changed since it was issued: refresh once, then repeat the request',
  invalid_client: 'Check the name and the secret: `gatehouse clients list`',
  activation_required:
    'Follow the activation message, or request another: `POST /api/activate/resend`',
  reauthentication_required:
    'Send the `password` too, or log in again: the login is older than five minutes',
  registration_closed: '`REGISTRATION` is `closed`: an administrator has to create the account',
  invitation_required: '`REGISTRATION` is `invite`: ask an administrator for an invitation',
  domain_not_allowed: 'Use an e-mail address of a domain of `REGISTRATION_DOMAINS`',
  second_factor_required:
    'Send `challenge` and a code to `POST /api/login/verify` within five minutes',
  user_verification_required:
    'Two factors are required, and the passkey was only touched: set a PIN on it, and log in again',
  second_factor_missing:
    'Log out, and in again with the second factor: add one on `/second-factor`',
  email_required: 'Share a verified e-mail address with the provider, and allow the scope `email`',
  forbidden:
    "The role is missing, or the route is for users and the token is a client's, or it needs a login and got an API key",
  cross_site_request:
    'Add the origin to `CORS_ORIGINS`, or use a Bearer token instead of the cookie',
  not_found: 'No such path, or no such object',
  method_not_allowed: 'Use a method of the `Allow` header',
  request_timeout: 'The body arrived too slowly: send it again',
  username_taken: 'Choose another username',
  email_taken: 'Log in to the account that has it, or reset its password',
  mobile_taken: 'Log in to the account that has it, or reset its password',
  account_exists: 'Log in with the password first, then connect the provider on `/welcome`',
  identity_taken:
    'Disconnect this provider account from the other user, or the other provider account from this user',
  last_login_method: 'Set a password with `POST /api/password/forgot` first',
  role_taken: 'Use the existing role, or choose another name',
  built_in_role: '`admin` and `user` cannot be deleted',
  last_admin: 'Grant `admin` to another enabled user first',
  api_key_limit: 'Revoke an API key that is no longer used: `DELETE /api/user/api-keys/{id}`',
  passkey_limit: 'Remove a passkey that is no longer used: `DELETE /api/user/passkeys/{id}`',
  passkey_taken: 'Use it to log in, or remove it from the account that has it',
  factor_required: 'Replace the authenticator app instead: `POST /api/user/factors/totp`',
  no_address: 'Give the account an e-mail address or a mobile number first',
  body_too_large: 'At most 16 KB; a picture 5 MB, a README 64 KB',
  uri_too_long: 'Shorten the path or a parameter',
  unsupported_media_type: 'Send JSON; multipart for uploads; a form at `/oauth/*` and pages',
  invalid_picture: 'Send a PNG, JPEG or WebP within the limits of docs/uploads.md',
  invalid_readme:
    'Send UTF-8 markdown; the front matter must be plain YAML: `errors` says what is wrong',
  rate_limited: 'Wait `Retry-After` seconds; if all clients get this error, check `TRUST_PROXY`',
  headers_too_large: 'Send fewer or shorter headers and cookies',
  internal: 'A bug in Gatehouse: the log shows the error and its stack',
  overloaded:
    'Try again after `Retry-After` seconds; if the error remains, see docs/troubleshooting.md',
  provider_failed: 'Try again; if the error remains, check the provider and `OIDC_ISSUER`',
  unavailable:
    'The database does not answer, or the instance is stopping: try again after `Retry-After` seconds',
}
