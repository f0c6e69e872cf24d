import { Type } from '@sinclair/typebox'
import { List, OneOf, origin, originForm } from '../kinds.js'

/** Where the service listens, and how clients reach it. */
export const service = {
  NODE_ENV: OneOf(
    ['development', 'production', 'test'],
    '`production` rejects settings that are only for development',
  ),
  HOST: Type.String({
    default: '127.0.0.1',
    minLength: 1,
    maxLength: 255,
    description: 'address to listen on',
  }),
  PORT: Type.Integer({
    default: 3000,
    minimum: 0,
    maximum: 65_535,
    description: 'port to listen on',
  }),
  PUBLIC_URL: Type.Optional(
    Type.String({
      pattern: origin,
      form: originForm,
      description:
        'origin under which clients reach the service; sets the issuer, and `Secure` on cookies if it is https; `http://localhost:PORT` by default',
    }),
  ),
  TRUST_PROXY: List(
    'proxies whose `X-Forwarded-*` headers are trusted: addresses, CIDR ranges, `loopback`, `linklocal`, `uniquelocal`; or `none`',
    'loopback',
  ),
  FORWARD_AUTH_HOSTS: List(
    'hosts of apps behind forward-auth that have a session of their own, such as `app.example.org`, separated by commas; with the scheme of PUBLIC_URL',
    '',
  ),
  CORS_ORIGINS: List('origins of browser frontends on other hosts, separated by commas', ''),
  RELATED_ORIGINS: List(
    'other origins that may use the passkeys of PUBLIC_URL (WebAuthn §5.11), separated by commas; with its scheme',
    '',
  ),
}
