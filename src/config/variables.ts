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
  originForm,
} from './kinds.js'

/**
 * Every environment variable that the service reads. Types, defaults, `.env.example` and
 * docs/reference/configuration.md are generated from it. A variable marked `secret` may also be set as
 * `NAME_FILE`, the path of a file.
 */
export const Environment = Type.Object({
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
  CORS_ORIGINS: List('origins of browser frontends on other hosts, separated by commas', ''),
  DATABASE_URL: Type.Optional(
    Type.String({
      pattern: '^postgres(ql)?://',
      secret: true,
      form: 'a URL such as postgres://user:password@host/database',
      description:
        'PostgreSQL 15 or newer; required in production; otherwise a local PostgreSQL 18 in DATA_DIR by default',
    }),
  ),
  DATABASE_LISTEN_URL: Type.Optional(
    Type.String({
      pattern: '^postgres(ql)?://',
      secret: true,
      form: 'a URL such as postgres://user:password@host/database',
      description:
        'a direct connection to PostgreSQL, if DATABASE_URL is a pooler: the denylist listens there; DATABASE_URL by default',
    }),
  ),
  DENYLIST_SYNC: OneOf(
    ['listen', 'poll'],
    'how an instance learns of revocations by other instances: `listen` is notified at once; `poll` queries every 250 ms, for databases without LISTEN',
  ),
  DATABASE_POOL_SIZE: Type.Integer({
    default: 10,
    minimum: 1,
    maximum: 500,
    description: 'maximum number of connections to PostgreSQL',
  }),
  DATA_DIR: Type.String({
    default: '.gatehouse',
    minLength: 1,
    maxLength: 4_096,
    description: 'folder of the database and secrets in development; unused in production',
  }),
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
  KEY_ROTATION: Duration(
    'how long a key signs before the next one replaces it, 30m or more and not shorter than ACCESS_TOKEN_TTL',
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
    description: 'argon2id lanes of each hash',
  }),
  HASH_LANES: Type.Integer({
    minimum: 1,
    maximum: 128,
    description:
      'passwords hashed at the same time; by default the number of CPU cores, or UV_THREADPOOL_SIZE minus 2 if that is less',
  }),
  HASH_QUEUE: Type.Integer({
    default: 128,
    minimum: 0,
    maximum: 10_000,
    description: 'passwords that may wait to be hashed; further requests get 503',
  }),
  PASSWORD_MIN_LENGTH: Type.Integer({
    default: 8,
    minimum: 8,
    maximum: 64,
    description: 'minimum number of characters in a new password',
  }),
  APP_NAME: Type.String({
    default: 'Gatehouse',
    minLength: 1,
    maxLength: 60,
    pattern: `^${oneLine}$`,
    form: 'one line of 1 to 60 characters',
    description: 'name of the service in messages and on pages',
  }),
  ACTIVATION: OneOf(
    ['off', 'required'],
    '`required`: users must confirm their address before their first login',
  ),
  MAIL_URL: Type.Optional(
    Type.String({
      pattern: '^(log$|smtps?://)',
      secret: true,
      form: 'a URL such as smtp://user:password@host:587, or log',
      description:
        'SMTP server for mail, such as `smtp://user:password@host:587`; `log` writes mail to the log: the default, but rejected in production',
    }),
  ),
  MAIL_FROM: Type.Optional(
    Type.String({
      minLength: 3,
      maxLength: 320,
      pattern: `^${oneLine}@${oneLine}$`,
      form: 'an address such as no-reply@example.org',
      description:
        'sender of mail, by default `no-reply@` and the host of PUBLIC_URL; APP_NAME is its name unless it has one: `Support <help@example.org>`',
    }),
  ),
  SMS_WEBHOOK_URL: Type.Optional(
    Type.String({
      pattern: '^https?://',
      form: 'a URL such as https://sms.example.org/send',
      description:
        'URL that receives text messages (SMS) as signed requests (Standard Webhooks); by default they are written to the log, and dropped in production',
    }),
  ),
  SMS_WEBHOOK_SECRET: Secret(
    'signs the requests to SMS_WEBHOOK_URL, 32 characters or more; after the prefix `whsec_` it is base64',
  ),
  GOOGLE_CLIENT_ID: ClientId('Google'),
  GOOGLE_CLIENT_SECRET: ClientSecret('Google'),
  GITHUB_CLIENT_ID: ClientId('GitHub'),
  GITHUB_CLIENT_SECRET: ClientSecret('GitHub'),
  GITHUB_URL: Type.String({
    default: 'https://github.com',
    pattern: origin,
    form: 'an origin such as https://github.com',
    description: 'GitHub, or a GitHub Enterprise Server',
  }),
  OIDC_ISSUER: Type.Optional(
    Type.String({
      pattern: '^https?://[^?#@ ]+$',
      form: 'an issuer URL such as https://id.example.org',
      description: 'issuer of any OpenID provider, exactly as in its discovery document',
    }),
  ),
  OIDC_CLIENT_ID: ClientId('OIDC_ISSUER'),
  OIDC_CLIENT_SECRET: ClientSecret('OIDC_ISSUER, if it requires one'),
  OIDC_NAME: Type.String({
    default: 'OpenID',
    minLength: 1,
    maxLength: 40,
    pattern: `^${oneLine}$`,
    form: 'one line of 1 to 40 characters',
    description: 'name of that provider on its button',
  }),
  RATE_LIMIT: OneOf(
    ['on', 'off'],
    'limits against guessing and flooding; `off` is rejected in production',
  ),
  RATE_LIMIT_LOGIN: Rate(
    'failed logins from one network: an IPv4 address or an IPv6 /64',
    '100/15m',
  ),
  RATE_LIMIT_REGISTER: Rate('registrations from one network', '100/1h'),
  RATE_LIMIT_FORGOT: Rate('messages requested by one network', '30/1h'),
  RATE_LIMIT_CODES: Rate('attempts with codes and links from one network', '100/15m'),
  RATE_LIMIT_REFRESH: Rate('failed refreshes from one network', '300/15m'),
  RATE_LIMIT_CLIENTS: Rate(
    'failed authentications of clients (other services) from one network',
    '100/15m',
  ),
  RATE_LIMIT_UPLOADS: Rate('pictures and READMEs uploaded by one user', '60/1h'),
  AUDIT_RETENTION: Duration('how long the audit log is kept', '365d'),
  METRICS_TOKEN: Type.Optional(
    Type.String({
      // The syntax of a Bearer token (RFC 6750 §2.1).
      pattern: '^[A-Za-z0-9._~+/-]{32,4096}=*$',
      maxLength: 4_096,
      secret: true,
      form: '32 or more of the characters A-Z a-z 0-9 - . _ ~ + /',
      description:
        'Bearer token that opens `/metrics`, 32 or more of the characters `A-Z a-z 0-9 - . _ ~ + /`; without it, `/metrics` is public in development and does not exist in production',
    }),
  ),
  SHUTDOWN_DELAY: Delay(
    'how long the service still accepts connections after SIGTERM, while `/health/ready` answers 503; must exceed the time that load balancers take to notice',
    '2s',
  ),
  LOG_LEVEL: OneOf(
    ['info', 'fatal', 'error', 'warn', 'debug', 'trace', 'silent'],
    'lowest level that is logged',
  ),
})
