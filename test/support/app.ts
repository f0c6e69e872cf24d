import type { Test } from 'tap'
import { pino, type Logger } from 'pino'
import { buildApp, type App } from '../../src/app.js'
import { systemClock } from '../../src/concurrency/clock.js'
import { createHashing } from '../../src/features/passwords/child-process.js'
import { loadConfig, type Config } from '../../src/config/load.js'
import { createPool, type Pool } from '../../src/db/pool.js'
import { createLogger } from '../../src/log/logger.js'
import { compareReplies } from './described.js'
import { statementsAt, testDatabase } from './database.js'
import { guardedPool } from './guarded-pool.js'

export const keysSecret = 'a-long-enough-Secret-for-the-tests-0123456789'

/** Hashing that costs a test next to nothing. */
export const cheapHashing = { ARGON2_MEMORY: '1024', ARGON2_ITERATIONS: '1' }

/** Adds a small pool, because each connection costs CPU, no limits, which tests of limits turn on, and every route. */
export const forTests = {
  ...cheapHashing,
  DATABASE_POOL_SIZE: '4',
  RATE_LIMIT: 'off',
  DEVICE_LOGIN: 'on',
}

// One process for all apps of a file, because starting it costs more than most tests.
const hashing = createHashing({ threads: 2, log: pino({ level: 'silent' }) })

export type TestApp = {
  app: App
  db: Pool
  config: Config
  url: string
  /** One statement in the test's database. */
  sql: <Row = Record<string, unknown>>(text: string, values?: unknown[]) => Promise<Row[]>
}

type Options = {
  env?: Record<string, string>
  now?: () => Date
  url?: string
  /** In milliseconds. */
  keyCheckInterval?: number
  logger?: Logger
  logTo?: { write(line: string): void }
}

/** The whole service on a database of its own; it goes when the test ends. */
export async function testApp(t: Test, options: Options = {}): Promise<TestApp> {
  const { env = {}, now, keyCheckInterval, logTo, logger } = options
  const url = options.url ?? (await testDatabase(t))
  const config = loadConfig({ NODE_ENV: 'test', DATABASE_URL: url, ...forTests, ...env })
  const db = guardedPool(createPool({ url, size: config.DATABASE_POOL_SIZE }))
  const log = logger ?? (logTo ? createLogger(config.LOG_LEVEL, logTo) : pino({ level: 'silent' }))
  const app = await buildApp(config, {
    db,
    listenUrl: url,
    keysSecret,
    log,
    hashing,
    ...(now && { clock: { ...systemClock, now: () => now().getTime() } }),
    ...(keyCheckInterval !== undefined && { keyCheckInterval }),
  })
  compareReplies(t, app)
  const sql = statementsAt(t, url)
  t.teardown(async () => {
    await app.close()
    await db.close()
    for (const violation of db.violations) throw violation
  })
  return { app, db, config, url, sql }
}

/** The same, listening: for what only a real connection shows. */
export async function listeningApp(
  t: Test,
  options: Options = {},
): Promise<TestApp & { origin: string }> {
  const test = await testApp(t, options)
  const origin = await test.app.listen({ host: '127.0.0.1', port: 0 })
  return { ...test, origin }
}

type Account = { [field: string]: string | undefined; password: string }

export const ada = { email: 'ada@example.org', password: 'correct horse battery' }

export type LoginAnswer = {
  access_token: string
  refresh_token: string
  token_type: string
  expires_in: number
  refresh_expires_in: number
  user: { id: string; email: string; roles: string[] }
}

/** Registers, and logs in. */
export async function signUp(app: App, account: Account = ada): Promise<LoginAnswer> {
  const registered = await app.inject({ method: 'POST', url: '/api/register', payload: account })
  if (registered.statusCode !== 201) throw new Error(registered.body)
  return logIn(app, account)
}

/** As if every user had answered a message to their e-mail address. */
export const verifyEmails = ({ sql }: Pick<TestApp, 'sql'>) =>
  sql('update users set email_verified_at = now() where email is not null')

/** Logs in with the first identifier of an account. */
export async function logIn(app: App, account: Account = ada): Promise<LoginAnswer> {
  const { email, username, mobile, password } = account
  const payload = email
    ? { email, password }
    : username
      ? { username, password }
      : { mobile, password }
  const answer = await app.inject({ method: 'POST', url: '/api/login', payload })
  if (answer.statusCode !== 200) throw new Error(answer.body)
  return answer.json<LoginAnswer>()
}

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

/** Whether a token no longer opens anything: what is done by SQL is heard of a moment later. */
export async function isRefused(app: App, token: string): Promise<boolean> {
  const { statusCode } = await app.inject({ url: '/api/user', headers: bearer(token) })
  return statusCode === 401
}

/** Counts how often the OpenAPI document is made. */
export function countDocuments(app: App): () => number {
  const make = app.swagger.bind(app)
  let made = 0
  app.swagger = ((...how: Parameters<typeof make>) => {
    made += 1
    return make(...how)
  }) as typeof app.swagger
  return () => made
}
