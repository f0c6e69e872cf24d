import { domainToASCII } from 'node:url'
import type { TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { notDistinct } from './distinct.js'
import { leadTime } from './key-life.js'
import { toSeconds } from './kinds.js'
import { badOldApp } from './old-app.js'
import { badProxies, badUrls } from './network.js'
import { Environment } from './variables.js'
import { weakSecrets } from './weak-secrets.js'

type Values = Record<string, unknown>

/** Rules that a schema cannot express. Each returns its faults as sentences that begin with a variable. */
export const rules: ((values: Values) => string[])[] = [
  weakSecrets,
  refusedInProduction,
  badOrigins,
  badRelated,
  badHosts,
  badProxies,
  badUrls,
  badDomains,
  incomplete,
  tooLong,
  tooIdle,
  badRotation,
  badOldApp,
  notDistinct,
]

const schemas = Object.entries(Environment.properties as Record<string, TSchema>)
const century = 36_500 * 86_400 // seconds

/** `null` is no valid origin here: every sandboxed frame has it. */
const isOrigin = (text: string) => URL.canParse(text) && new URL(text).origin === text

const listIn = (text: unknown) =>
  String(text)
    .split(',')
    .flatMap((item) => item.trim() || [])

function badOrigins({ PUBLIC_URL, CORS_ORIGINS }: Values): string[] {
  const origins = listIn(CORS_ORIGINS)
  const isUrl = typeof PUBLIC_URL !== 'string' || URL.canParse(PUBLIC_URL)
  return [
    ...(isUrl ? [] : ['PUBLIC_URL must be an origin such as https://auth.example.org']),
    ...(origins.every(isOrigin)
      ? []
      : ['CORS_ORIGINS must be origins such as https://app.example.org, separated by commas']),
  ]
}

/** Plain http could be anyone in the network. The answers of passkeys are compared with each origin as it is written. */
function badRelated({ PUBLIC_URL, RELATED_ORIGINS }: Values): string[] {
  const isSecure = String(PUBLIC_URL).startsWith('https:')
  // A wildcard would match nothing.
  const isRelated = (text: string) =>
    isOrigin(text) && !text.includes('*') && (!isSecure || text.startsWith('https:'))
  return listIn(RELATED_ORIGINS).every(isRelated)
    ? []
    : [
        'RELATED_ORIGINS must be origins such as https://app.example.org, separated by commas, and https if PUBLIC_URL is',
      ]
}

/** A host is written as a browser writes it, because requests are compared with it. The cookies of PUBLIC_URL are others. */
function badHosts({ PUBLIC_URL, FORWARD_AUTH_HOSTS }: Values): string[] {
  const isUrl = typeof PUBLIC_URL === 'string' && URL.canParse(PUBLIC_URL)
  const { protocol, hostname } = new URL(isUrl ? PUBLIC_URL : 'http://localhost')
  const hosts = listIn(FORWARD_AUTH_HOSTS)
  const isHost = (text: string) => {
    const url = `${protocol}//${text}`
    // A wildcard would match nothing.
    const isOne = /^[a-z0-9._:[\]-]*[a-z0-9\]]$/.test(text)
    return isOne && URL.canParse(url) && new URL(url).host === text
  }
  return [
    ...(hosts.every(isHost)
      ? []
      : ['FORWARD_AUTH_HOSTS must be hosts such as app.example.org, separated by commas']),
    ...(hosts.some((host) => host.replace(/:\d+$/, '') === hostname)
      ? ['FORWARD_AUTH_HOSTS must not have the host of PUBLIC_URL: its own cookies count there']
      : []),
  ]
}

const domain = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

/** Without an activation, users could type any address of an accepted domain. */
function badDomains({ REGISTRATION_DOMAINS, ACTIVATION }: Values): string[] {
  const domains = String(REGISTRATION_DOMAINS)
    .split(',')
    .flatMap((item) => item.trim() || [])
  const isDomain = (text: string) => domain.test(domainToASCII(text)) && !/[@:/%*]/.test(text)
  return [
    ...(domains.every(isDomain)
      ? []
      : ['REGISTRATION_DOMAINS must be domains such as example.org, separated by commas']),
    ...(domains.length > 0 && ACTIVATION !== 'required'
      ? ['REGISTRATION_DOMAINS needs ACTIVATION=required']
      : []),
  ]
}

/** The first variable is required if the second is set. */
const requiredPairs = [
  ['SMS_WEBHOOK_SECRET', 'SMS_WEBHOOK_URL'],
  ['GOOGLE_CLIENT_SECRET', 'GOOGLE_CLIENT_ID'],
  ['GOOGLE_CLIENT_ID', 'GOOGLE_CLIENT_SECRET'],
  ['GITHUB_CLIENT_SECRET', 'GITHUB_CLIENT_ID'],
  ['GITHUB_CLIENT_ID', 'GITHUB_CLIENT_SECRET'],
  ['OIDC_CLIENT_ID', 'OIDC_ISSUER'],
  ['OIDC_ISSUER', 'OIDC_CLIENT_ID'],
  ['OLD_APP_UNTIL', 'OLD_APP_JWT_SECRET'],
  ['OLD_APP_UNTIL', 'OLD_APP_JWT_KEYS'],
  ['OLD_APP_UNTIL', 'OLD_APP_COOKIE_SECRET'],
]

/** Variables that work only together. */
function incomplete(values: Values): string[] {
  return requiredPairs
    .filter(([needed = '', by = '']) => values[by] !== undefined && values[needed] === undefined)
    .map(([needed, by]) => `${String(needed)} is required with ${String(by)}`)
}

/**
 * Denials are kept as long as an access token lives, so that lifetime is at most a day. All other durations
 * are at most a century, because PostgreSQL cannot add longer ones to the current date.
 */
function tooLong(values: Values): string[] {
  const faults = schemas
    .filter(([name, schema]) => schema.duration && toSeconds(String(values[name])) > century)
    .map(([name]) => `${name} must be 36500d or less`)
  return toSeconds(String(values.ACCESS_TOKEN_TTL)) > 86_400
    ? [...faults, 'ACCESS_TOKEN_TTL must be a day or less']
    : faults
}

/** Otherwise a session would end while its access token is still valid. */
function tooIdle(values: Values): string[] {
  const idle = toSeconds(String(values.SESSION_IDLE_TTL))
  return idle < toSeconds(String(values.ACCESS_TOKEN_TTL))
    ? ['SESSION_IDLE_TTL must not be shorter than ACCESS_TOKEN_TTL']
    : []
}

/** A key must be published before it signs, and the JWK set must not grow beyond three keys. */
function badRotation(values: Values): string[] {
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

function refusedInProduction(values: Values): string[] {
  if (values.NODE_ENV !== 'production') return []
  const missing = Object.entries({
    DATABASE_URL: 'a URL such as postgres://user:password@host/database',
    KEYS_SECRET: 'the output of `openssl rand -base64 48`',
  })
    .filter(([name]) => values[name] === undefined)
    .map(([name, form]) => `${name} is required in production: set it to ${form}`)
  const cannotWrite = values.MAIL_URL === undefined && values.SMS_WEBHOOK_URL === undefined
  return [
    ...missing,
    ...(values.RATE_LIMIT === 'off' ? ['RATE_LIMIT must be on in production'] : []),
    ...['OIDC_ISSUER', 'GITHUB_URL']
      .filter((name) => String(values[name]).startsWith('http:'))
      .map((name) => `${name} must be https in production`),
    ...(values.MAIL_URL === 'log'
      ? [
          'MAIL_URL must not be log in production: set it to a URL such as smtp://user:password@host:587',
        ]
      : []),
    ...(values.ACTIVATION === 'required' && cannotWrite
      ? ['ACTIVATION=required needs MAIL_URL or SMS_WEBHOOK_URL in production']
      : []),
  ]
}
