import { Type } from '@sinclair/typebox'
import { Duration, OneOf, Secret } from '../kinds.js'

/** Keys, tokens and sessions. */
export const tokens = {
  KEYS_SECRET: Secret(
    'encrypts the signing keys in the database and signs refresh tokens, 32 characters or more; required in production; otherwise created in DATA_DIR by default',
  ),
  JWT_ALGORITHM: OneOf(['ES256', 'EdDSA', 'RS256', 'HS256'], 'algorithm that signs new tokens'),
  JWT_SECRET: Secret(
    'secret of HS256 access tokens, 32 characters or more; by default Gatehouse creates and rotates it like other keys',
  ),
  JWT_ISSUER: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 255,
      description: '`iss` of every token; PUBLIC_URL by default',
    }),
  ),
  JWT_AUDIENCE: Type.String({
    default: 'gatehouse',
    minLength: 1,
    maxLength: 255,
    description: '`aud` of access tokens',
  }),
  ACCESS_TOKEN_TTL: Duration('lifetime of an access token', '15m'),
  REFRESH_TOKEN_TTL: Duration('lifetime of a session, from its login', '30d'),
  SESSION_IDLE_TTL: Duration(
    'lifetime of a session without a refresh, not shorter than ACCESS_TOKEN_TTL',
    '14d',
  ),
  SESSIONS_PER_USER: Type.Integer({
    default: 50,
    minimum: 1,
    maximum: 1_000,
    description:
      'maximum number of sessions of a user; a further login ends the least recently used session',
  }),
  REFRESH_GRACE: Duration(
    'how long a spent refresh token still returns the current tokens; after that it returns them once more, and a second time ends the session',
    '10s',
  ),
  DEVICE_LOGIN: OneOf(
    ['off', 'on'],
    'whether users log in devices without a browser, and `gatehouse login`, by a code that they type on the page `/device`',
  ),
  KEY_ROTATION: Duration(
    'how long a key signs before the next one replaces it, 30m or more and not shorter than ACCESS_TOKEN_TTL',
    '30d',
  ),
}
