import { Type } from '@sinclair/typebox'
import {
  ClientId,
  ClientSecret,
  Delay,
  Duration,
  List,
  OneOf,
  Rate,
  Secret,
  oneLine,
  origin,
} from './kinds.js'

/**
 * The whole configuration, one environment variable a property: the source of types, defaults,
 * `.env.example` and docs/reference/configuration.md. A property marked `secret` may also come as `NAME_FILE`.
 */
export const Environment = Type.Object({
  NODE_ENV: OneOf(
    ['development', 'production', 'test'],
    '`production` refuses development defaults',
  ),
  HOST: Type.String({ default: '127.0.0.1', minLength: 1, description: 'address to listen on' }),
  PORT: Type.Integer({
    default: 3000,
    minimum: 0,
    maximum: 65_535,
    description: 'port to listen on',
  }),
  PUBLIC_URL: Type.Optional(
    Type.String({
      pattern: origin,
      description:
        'origin under which clients reach the service; decides the issuer and `Secure` cookies; `http://localhost:PORT` by default',
    }),
  ),
  TRUST_PROXY: List(
    'proxies whose `X-Forwarded-*` headers count: addresses, CIDR ranges, `loopback`, `linklocal`, `uniquelocal`; or `none`',
    'loopback',
  ),
  CORS_ORIGINS: List('origins of browser frontends on other hosts, separated by commas', ''),
  DATABASE_URL: Type.Optional(
    Type.String({
      pattern: '^postgres(ql)?://',
      secret: true,
      description:
        'PostgreSQL 15 or newer; without it a local PostgreSQL 18 is started in DATA_DIR',
    }),
  ),
  DATABASE_LISTEN_URL: Type.Optional(
    Type.String({
      pattern: '^postgres(ql)?://',
      secret: true,
      description:
        'PostgreSQL itself, where DATABASE_URL is a pooler: the denylist listens there; DATABASE_URL by default',
    }),
  ),
  DENYLIST_SYNC: OneOf(
    ['listen', 'poll'],
    'how an instance learns of revocations elsewhere: told at once, or by asking every 250 ms, where LISTEN cannot work',
  ),
  DATABASE_POOL_SIZE: Type.Integer({
    default: 10,
    minimum: 1,
    maximum: 500,
    description: 'most connections to PostgreSQL',
  }),
  DATA_DIR: Type.String({
    default: '.gatehouse',
    minLength: 1,
    description: 'where development keeps its database and secrets; unused in production',
  }),
  KEYS_SECRET: Secret(
    'encrypts the signing keys in the database and signs refresh tokens, 32 characters or more; made in DATA_DIR outside production, where it is required',
  ),
  JWT_ALGORITHM: OneOf(['ES256', 'EdDSA', 'RS256', 'HS256'], 'algorithm that signs new tokens'),
  JWT_SECRET: Secret(
    'the HS256 secret of access tokens, 32 characters or more; without it one is made and stored encrypted, as the other keys are',
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
    'how long a session lives without a refresh, no shorter than ACCESS_TOKEN_TTL',
    '14d',
  ),
  SESSIONS_PER_USER: Type.Integer({
    default: 50,
    minimum: 1,
    maximum: 1_000,
    description: 'most sessions of a user; another login ends the one used least recently',
  }),
  REFRESH_GRACE: Duration(
    'how long a spent refresh token still gets the current pair; later it may once, and a second time ends the session',
    '10s',
  ),
  KEY_ROTATION: Duration(
    'how long a key signs before the next does, 30m or more and no shorter than ACCESS_TOKEN_TTL',
    '30d',
  ),
  ARGON2_MEMORY: Type.Integer({
    default: 19_456,
    minimum: 1_024,
    maximum: 1_048_576,
    description: 'argon2id memory in KiB',
  }),
  ARGON2_ITERATIONS: Type.Integer({
    default: 2,
    minimum: 1,
    maximum: 10,
    description: 'argon2id passes',
  }),
  ARGON2_PARALLELISM: Type.Integer({
    default: 1,
    minimum: 1,
    maximum: 16,
    description: 'argon2id lanes a hash',
  }),
  HASH_LANES: Type.Integer({
    minimum: 1,
    maximum: 128,
    description:
      'passwords hashed at the same time; the cores, less where UV_THREADPOOL_SIZE leaves fewer threads',
  }),
  HASH_QUEUE: Type.Integer({
    default: 128,
    minimum: 0,
    maximum: 10_000,
    description: 'logins that may wait for a lane; more get 503',
  }),
  PASSWORD_MIN_LENGTH: Type.Integer({
    default: 8,
    minimum: 8,
    maximum: 64,
    description: 'least characters of a new password',
  }),
  APP_NAME: Type.String({
    default: 'Gatehouse',
    minLength: 1,
    maxLength: 60,
    pattern: `^${oneLine}$`,
    description: 'what messages and pages call the service',
  }),
  ACTIVATION: OneOf(
    ['off', 'required'],
    '`required`: an account works once its owner answered the message sent to its address',
  ),
  MAIL_URL: Type.Optional(
    Type.String({
      pattern: '^(log$|smtps?://)',
      secret: true,
      description:
        'SMTP server for mail, as `smtp://user:password@host:587`; `log` writes mail to the log, the default outside production and refused in it',
    }),
  ),
  MAIL_FROM: Type.Optional(
    Type.String({
      minLength: 3,
      maxLength: 320,
      pattern: `^${oneLine}@${oneLine}$`,
      description: 'sender of mail; `no-reply@` the host of PUBLIC_URL by default',
    }),
  ),
  SMS_WEBHOOK_URL: Type.Optional(
    Type.String({
      pattern: '^https?://',
      description:
        'where short messages are posted, signed as Standard Webhooks says; outside production they go to the log without it',
    }),
  ),
  SMS_WEBHOOK_SECRET: Secret(
    'signs what is posted to SMS_WEBHOOK_URL, 32 characters or more; behind `whsec_` it is base64',
  ),
  GOOGLE_CLIENT_ID: ClientId('Google'),
  GOOGLE_CLIENT_SECRET: ClientSecret('Google'),
  GITHUB_CLIENT_ID: ClientId('GitHub'),
  GITHUB_CLIENT_SECRET: ClientSecret('GitHub'),
  GITHUB_URL: Type.String({
    default: 'https://github.com',
    pattern: origin,
    description: 'GitHub, or an Enterprise Server',
  }),
  OIDC_ISSUER: Type.Optional(
    Type.String({
      pattern: '^https?://[^?#@ ]+$',
      description: 'any OpenID provider: its issuer, exactly as its discovery document says',
    }),
  ),
  OIDC_CLIENT_ID: ClientId('OIDC_ISSUER'),
  OIDC_CLIENT_SECRET: ClientSecret('OIDC_ISSUER, if it gave one'),
  OIDC_NAME: Type.String({
    default: 'OpenID',
    minLength: 1,
    maxLength: 40,
    pattern: `^${oneLine}$`,
    description: 'what the button calls that provider',
  }),
  RATE_LIMIT: OneOf(
    ['on', 'off'],
    'limits against guessing and flooding; `off` is refused in production',
  ),
  RATE_LIMIT_LOGIN: Rate(
    'failed logins from one network: an IPv4 address or an IPv6 /64',
    '100/15m',
  ),
  RATE_LIMIT_REGISTER: Rate('registrations from one network', '100/1h'),
  RATE_LIMIT_FORGOT: Rate('messages asked for by one network', '30/1h'),
  RATE_LIMIT_CODES: Rate('codes and links tried by one network', '100/15m'),
  RATE_LIMIT_REFRESH: Rate('failed refreshes from one network', '300/15m'),
  RATE_LIMIT_CLIENTS: Rate('failed authentications of other services from one network', '100/15m'),
  RATE_LIMIT_UPLOADS: Rate('pictures and READMEs sent by one user', '60/1h'),
  AUDIT_RETENTION: Duration('how long the audit log is kept', '365d'),
  METRICS_TOKEN: Type.Optional(
    Type.String({
      // What can stand in the header at all (RFC 6750 §2.1).
      pattern: '^[A-Za-z0-9._~+/-]{32,4096}=*$',
      maxLength: 4_096,
      secret: true,
      description:
        'Bearer token that opens `/metrics`, 32 characters or more of `A-Z a-z 0-9 - . _ ~ + /`; without it anybody may read them, and in production there are none',
    }),
  ),
  SHUTDOWN_DELAY: Delay(
    'how long the service still accepts connections after SIGTERM, while `/health/ready` answers 503; longer than load balancers take to notice',
    '2s',
  ),
  LOG_LEVEL: OneOf(
    ['info', 'fatal', 'error', 'warn', 'debug', 'trace', 'silent'],
    'least level that is logged',
  ),
})
