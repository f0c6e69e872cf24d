import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import type { StaticDecode, TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { notDistinct } from './distinct.js'
import { Environment } from './variables.js'
import { leadTime } from './key-life.js'
import { toSeconds } from './kinds.js'

type Env = Record<string, string | undefined>

const uvThreads = (env: Env) => Number(env.UV_THREADPOOL_SIZE) || 4

/** The frozen configuration. Durations are in seconds, memory in KiB. */
export type Config = Readonly<StaticDecode<typeof Environment>> & {
  readonly PUBLIC_URL: string
  readonly JWT_ISSUER: string
  readonly MAIL_FROM: string
}

export class ConfigError extends Error {}

// Secrets that people leave in place. Compared without case, spaces and punctuation, and as a
// repeated unit, so that "change-me-change-me-change-me-…" is found too.
const knownSecrets = [
  'changeme',
  'secret',
  'password',
  'default',
  'undefined',
  'null',
  'test',
  'example',
  'gatehouse',
]

/** Whether a secret of good length is still one that can be guessed. */
function isGuessable(secret: string): boolean {
  const letters = secret.toLowerCase().replace(/[^a-z0-9]/g, '')
  const rest = knownSecrets.reduce((text, known) => text.replaceAll(known, ''), letters)
  return new Set(secret).size < 10 || rest.length < 16
}

// In seconds.
const century = 36_500 * 86_400

const kinds = Object.entries(Environment.properties as Record<string, TSchema>)

/**
 * Reads the configuration from environment variables (`NAME_FILE` names a file for a secret).
 * @throws ConfigError that names every variable at fault, and shows no value
 */
export function loadConfig(env: Env): Config {
  const faults: string[] = []
  const raw: Record<string, unknown> = { HASH_LANES: defaultLanes(env) }
  for (const [name, schema] of kinds) {
    const text = schema.secret ? readSecret(name, env, faults) : env[name]
    if (text !== undefined && (text !== '' || schema.secret)) raw[name] = text
  }
  const values = Value.Convert(Environment, Value.Default(Environment, raw)) as Record<
    string,
    unknown
  >
  for (const { path, schema } of Value.Errors(Environment, values)) {
    faults.push(`${path.slice(1)} ${describeFault(schema)}`)
  }
  faults.push(
    ...weakSecrets(values),
    ...refusedInProduction(values),
    ...badOrigins(values),
    ...incomplete(values),
    ...tooLong(values),
    ...tooIdle(values),
    ...badRotation(values),
    ...notDistinct(values),
  )
  if (faults.length > 0) throw new ConfigError(`Configuration: ${[...new Set(faults)].join('; ')}`)
  const config = Value.Decode(Environment, values)
  const PUBLIC_URL = config.PUBLIC_URL ?? `http://localhost:${config.PORT}`
  return Object.freeze({
    ...config,
    PUBLIC_URL,
    JWT_ISSUER: config.JWT_ISSUER ?? PUBLIC_URL,
    MAIL_FROM: config.MAIL_FROM ?? `no-reply@${new URL(PUBLIC_URL).hostname}`,
    ...(config.NODE_ENV !== 'production' && { MAIL_URL: config.MAIL_URL ?? 'log' }),
  })
}

/** Leaves libuv two threads for DNS and files. */
function defaultLanes(env: Env): number {
  return Math.max(1, Math.min(availableParallelism(), uvThreads(env) - 2, 128))
}

function readSecret(name: string, env: Env, faults: string[]): string | undefined {
  const file = env[`${name}_FILE`]
  if (!file) return env[name]
  if (env[name] !== undefined) {
    faults.push(`${name} and ${name}_FILE are both set`)
    return undefined
  }
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '')
  } catch {
    faults.push(`${name}_FILE cannot be read`)
    return undefined
  }
}

function describeFault(schema: TSchema): string {
  if (Array.isArray(schema.values)) return `must be one of ${schema.values.join(', ')}`
  if (schema.type === 'integer')
    return `must be a whole number from ${String(schema.minimum)} to ${String(schema.maximum)}`
  if (schema.minLength) return `must have ${String(schema.minLength)} characters or more`
  return 'does not have the right form'
}

function weakSecrets(values: Record<string, unknown>): string[] {
  return ['KEYS_SECRET', 'JWT_SECRET', 'SMS_WEBHOOK_SECRET', 'METRICS_TOKEN'].flatMap((name) => {
    const value = values[name]
    return typeof value === 'string' && isGuessable(value) ? [`${name} can be guessed`] : []
  })
}

/** What would never match, or match too much: `null` is the origin of every sandboxed frame. */
function badOrigins({ PUBLIC_URL, CORS_ORIGINS }: Record<string, unknown>): string[] {
  const isOrigin = (text: string) => URL.canParse(text) && new URL(text).origin === text
  const origins = String(CORS_ORIGINS)
    .split(',')
    .flatMap((item) => item.trim() || [])
  const isUrl = typeof PUBLIC_URL !== 'string' || URL.canParse(PUBLIC_URL)
  const rightForm = 'must be origins such as https://app.example.org'
  return [
    ...(isUrl ? [] : ['PUBLIC_URL does not have the right form']),
    ...(origins.every(isOrigin) ? [] : [`CORS_ORIGINS ${rightForm}`]),
  ]
}

const pairs = [
  ['SMS_WEBHOOK_SECRET', 'SMS_WEBHOOK_URL'],
  ['GOOGLE_CLIENT_SECRET', 'GOOGLE_CLIENT_ID'],
  ['GOOGLE_CLIENT_ID', 'GOOGLE_CLIENT_SECRET'],
  ['GITHUB_CLIENT_SECRET', 'GITHUB_CLIENT_ID'],
  ['GITHUB_CLIENT_ID', 'GITHUB_CLIENT_SECRET'],
  ['OIDC_CLIENT_ID', 'OIDC_ISSUER'],
  ['OIDC_ISSUER', 'OIDC_CLIENT_ID'],
]

/** What only works together. */
function incomplete(values: Record<string, unknown>): string[] {
  return pairs
    .filter(([needed = '', by = '']) => values[by] !== undefined && values[needed] === undefined)
    .map(([needed, by]) => `${String(needed)} is required with ${String(by)}`)
}

/** Revocations are kept for as long as an access token may live. PostgreSQL's calendar has an end, too. */
function tooLong(values: Record<string, unknown>): string[] {
  const tooLong = kinds
    .filter(([name, schema]) => schema.duration && toSeconds(String(values[name])) > century)
    .map(([name]) => `${name} must be 36500d or less`)
  return toSeconds(String(values.ACCESS_TOKEN_TTL)) > 86_400
    ? [...tooLong, 'ACCESS_TOKEN_TTL must be a day or less']
    : tooLong
}

/** Else a session would end under tokens that are still good. */
function tooIdle(values: Record<string, unknown>): string[] {
  const idle = toSeconds(String(values.SESSION_IDLE_TTL))
  return idle < toSeconds(String(values.ACCESS_TOKEN_TTL))
    ? ['SESSION_IDLE_TTL must not be shorter than ACCESS_TOKEN_TTL']
    : []
}

/** A key is published for a while before it signs, and the JWK set holds three keys at most. */
function badRotation(values: Record<string, unknown>): string[] {
  const { KEY_ROTATION, ACCESS_TOKEN_TTL } = Environment.properties
  const seconds = (schema: typeof KEY_ROTATION, text: unknown) =>
    Value.Check(schema, text) ? Value.Decode(schema, text) : NaN
  const rotation = seconds(KEY_ROTATION, values.KEY_ROTATION)
  return [
    ...(rotation < 2 * leadTime ? ['KEY_ROTATION must be 30m or more'] : []),
    ...(rotation < seconds(ACCESS_TOKEN_TTL, values.ACCESS_TOKEN_TTL)
      ? ['KEY_ROTATION must not be shorter than ACCESS_TOKEN_TTL']
      : []),
  ]
}

function refusedInProduction(values: Record<string, unknown>): string[] {
  if (values.NODE_ENV !== 'production') return []
  const missing = ['DATABASE_URL', 'KEYS_SECRET']
    .filter((name) => values[name] === undefined)
    .map((name) => `${name} is required in production`)
  const cannotWrite = values.MAIL_URL === undefined && values.SMS_WEBHOOK_URL === undefined
  return [
    ...missing,
    ...(values.RATE_LIMIT === 'off' ? ['RATE_LIMIT must be on in production'] : []),
    ...['OIDC_ISSUER', 'GITHUB_URL']
      .filter((name) => String(values[name]).startsWith('http:'))
      .map((name) => `${name} must be https in production`),
    ...(values.MAIL_URL === 'log' ? ['MAIL_URL must not be log in production'] : []),
    ...(values.ACTIVATION === 'required' && cannotWrite
      ? ['ACTIVATION=required needs MAIL_URL or SMS_WEBHOOK_URL in production']
      : []),
  ]
}
