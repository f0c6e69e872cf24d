import {
  AccessClaims,
  ForwardAuthClaims,
  RefreshClaims,
  RevocationClaims,
} from '@gatehouse/verify/protocol'
import type { TObject } from '@sinclair/typebox'
import { code, page, table } from './markdown.js'

const amr =
  'how the user logged in: `pwd` password, `otp` authenticator app, `hwk` or `swk` with `user` passkey, `mfa` two factors; left out for a provider alone'

const access: Record<keyof AccessClaims, string> = {
  iss: 'the issuer: `JWT_ISSUER`, or `PUBLIC_URL`',
  aud: 'the audience: `JWT_AUDIENCE`',
  sub: 'the id of the user, or of the client in a token of its own',
  client_id:
    "`gatehouse`, the app's name in a token for a code, or the client's name in a token of its own",
  jti: 'the id of the token',
  sid: 'the id of the session; equal to `sub` in a token of a client, to `api_key` in one of a key',
  gen: 'how often the session was refreshed before',
  roles: 'the roles at the login or the last refresh',
  username: 'the username at that time',
  email: 'the verified e-mail address at that time',
  email_verified: '`true`, beside every `email`',
  name: 'the name at that time',
  epoch: 'rises when the roles change: a token with a lower one is stale',
  auth_time: 'when the user logged in; a refresh does not change it',
  amr,
  api_key: 'the id of the API key that it was issued for; left out for a login',
  iat: 'when it was issued',
  exp: 'when it expires',
}

const refresh: Record<keyof RefreshClaims, string> = {
  iss: 'the issuer',
  aud: 'the issuer and `/refresh`',
  sub: 'the id of the user',
  jti: '`sid` and `gen`, with a dot between',
  sid: 'the id of the session',
  gen: 'how often the session was refreshed before',
  client_id: 'the app that got the token for a code; left out for any other',
  bound: 'whether only that app may use it, with its secret',
  iat: 'when it was issued',
  exp: 'when it expires',
}

const forwardAuth: Record<keyof ForwardAuthClaims, string> = {
  iss: 'the issuer',
  aud: 'the host of the app, with its port if it has one',
  sub: 'the id of the user',
  sid: 'the id of the session',
  gen: 'how often the session was renewed before',
  roles: 'the roles at the login or the last renewal',
  username: 'the username at that time',
  email: 'the verified e-mail address at that time',
  email_verified: '`true`, beside every `email`',
  name: 'the name at that time',
  epoch: 'rises when the roles change: a token with a lower one is renewed',
  auth_time: 'when the user logged in; a renewal does not change it',
  amr,
  iat: 'when it was issued or renewed. It is believed for `ACCESS_TOKEN_TTL`, and then renewed',
  exp: 'when its session ends',
}

const revocations: Record<keyof RevocationClaims, string> = {
  iss: 'the issuer',
  aud: 'the issuer and `/revocations`',
  iat: 'when it was issued',
  exp: 'ten seconds later',
  at: "the time of the state that it shows, in milliseconds by the database's clock",
  history: 'the name of the history of the database',
  after: 'the cursor of the request',
  next: 'the cursor of the next request',
  full: 'whether it is a page of the whole list',
  more: 'whether that list goes on at `next`',
  keys: 'the `kid` of every key whose access tokens are good',
  lifetime: 'the longest life of an access token, in seconds',
  denials:
    '`[id, expires_at, epoch]`: see [follow the revocations](../other-services.md#follow-the-revocations)',
}

/** The schemas say which claims there are and of which type; the texts above, what they mean. */
export const claimsPage = () =>
  page(
    'Token claims',
    'Times are in seconds unless the table says otherwise. A claim with `?` may be missing.',
    section('Access token (`typ: at+jwt`)', AccessClaims, access),
    section('Refresh token (`typ: rt+jwt`), for Gatehouse alone', RefreshClaims, refresh),
    section(
      "Token in the cookie of an app's host (`typ: fa+jwt`), for forward-auth there alone",
      ForwardAuthClaims,
      forwardAuth,
    ),
    section('List of revocations (`typ: revocations+jwt`)', RevocationClaims, revocations),
  )

function section(
  title: string,
  { properties, required = [] }: TObject,
  texts: Record<string, string>,
) {
  const rows = Object.entries(properties).map(([name, schema]) => [
    code(required.includes(name) ? name : `${name}?`),
    (schema as { type?: string }).type ?? '',
    texts[name] ?? '',
  ])
  return `## ${title}\n\n${table(['claim', 'type', 'what'], rows)}`
}
