import type { Clock } from '../concurrency/clock.js'
import type { Config } from '../config/load.js'
import { publicUrlWarning } from '../config/warnings.js'
import { chainOf, codeOf, describeDatabaseFault } from '../db/faults.js'
import { LaterSchemaError, requireServable } from '../db/schema.js'
import type { DatabaseState } from '../db/state.js'
import { OperatorError } from '../errors.js'
import type { Hashing } from '../features/passwords/child-process.js'
import type { OutboxRepository } from '../features/messages/repository.js'
import type { Transport } from '../features/messages/transports.js'
import type { RoleRepository } from '../features/roles/repository.js'

/** `run` returns a short result, or throws Advice or another error. */
type Check = { name: string; needsDatabase?: true; run: () => Promise<string> }
type Options = {
  config: Config
  /** The URL of the database. */
  url: string
  state: DatabaseState
  outbox: Pick<OutboxRepository, 'backlog'>
  roles: Pick<RoleRepository, 'countAdmins'>
  /** Loads and decrypts the signing keys. */
  openKeys: () => Promise<unknown>
  transports: { email?: Transport; mobile?: Transport }
  hashing: Pick<Hashing, 'describe'>
  clock: Clock
}

/** A finding that the operator should know but that is no fault. */
class Advice extends Error {}

export type Finding = { name: string; state: 'ok' | 'note' | 'fault'; text: string }

/** Checks everything that an instance needs and reports each check. Returns false at a fault. */
export async function doctor(
  options: Options,
  report: (finding: Finding) => void,
): Promise<boolean> {
  let isHealthy = true
  let isUsable = true
  const skipped: string[] = []
  for (const { name, needsDatabase, run } of checksOf(options)) {
    if (needsDatabase && !isUsable) {
      skipped.push(name)
      continue
    }
    try {
      report({ name, state: 'ok', text: await run() })
    } catch (error) {
      const isAdvice = error instanceof Advice
      const fault = needsDatabase && describeDatabaseFault(error, options.url)
      isHealthy &&= isAdvice
      report({ name, state: isAdvice ? 'note' : 'fault', text: fault || reasonOf(error as Error) })
      // The next checks would have the same fault, or query a schema that this release does not know.
      if (fault || error instanceof LaterSchemaError) isUsable = false
    }
  }
  if (skipped.length > 0) {
    const text = `${skipped.join(', ')}: they need a database that this release can use`
    report({ name: 'not checked', state: 'note', text })
  }
  return isHealthy
}

const words = { ok: 'ok   ', note: 'note ', fault: 'FAULT' }

export const lineOf = ({ name, state, text }: Finding) => `${words[state]} ${name}: ${text}`

function checksOf(options: Options): Check[] {
  const { config, state, outbox, roles, openKeys, transports, hashing, clock } = options
  const { HASH_LANES, NODE_ENV, MAIL_URL, PUBLIC_URL, SMS_WEBHOOK_URL } = config
  const hasMail = MAIL_URL !== undefined && MAIL_URL !== 'log'
  return [
    {
      name: 'PostgreSQL',
      needsDatabase: true,
      async run() {
        const version = await state.version()
        if (Number.parseInt(version) < 15)
          throw new Error(`${version} is too old: Gatehouse needs 15 or newer`)
        return version
      },
    },
    {
      name: 'schema',
      needsDatabase: true,
      async run() {
        const schema = await state.schema()
        requireServable(schema)
        const { known, missing, later } = schema
        if (missing.length > 0) {
          throw new Advice(`the next start runs these migrations: ${missing.join(', ')}`)
        }
        if (later.length > 0) {
          throw new Advice(
            `a later release has run migrations that this release can serve: ${later.join(', ')}`,
          )
        }
        return `${String(known)} migrations done`
      },
    },
    {
      name: 'clock',
      needsDatabase: true,
      async run() {
        const difference = Math.round(Math.abs(clock.now() - (await state.now())))
        const text = `differs from the database's clock by ${String(difference)} ms`
        if (difference > 2_000) throw new Error(`${text}: synchronize both with NTP`)
        return text
      },
    },
    {
      name: 'signing keys',
      needsDatabase: true,
      async run() {
        await openKeys()
        return 'they can be decrypted'
      },
    },
    {
      name: 'outbox',
      needsDatabase: true,
      async run() {
        const { count, oldest } = await outbox.backlog()
        if ((oldest ?? 0) > 300) {
          throw new Error(`${String(count)} messages waiting, the oldest for ${String(oldest)} s`)
        }
        return `${String(count)} messages waiting`
      },
    },
    {
      name: 'administrators',
      needsDatabase: true,
      async run() {
        const count = await roles.countAdmins()
        if (count === 0)
          throw new Advice('none: create one with gatehouse create-admin USERNAME EMAIL')
        return String(count)
      },
    },
    {
      name: 'passwords',
      async run() {
        const { library, priority } = await hashing.describe()
        const text = `hashed by ${library}, ${String(HASH_LANES)} at the same time`
        if (priority > 0) return `${text}, with priority ${String(priority)}`
        throw new Advice(
          `${text}, with the same priority as requests: a flood of logins slows them`,
        )
      },
    },
    {
      name: 'MAIL_URL',
      async run() {
        if (hasMail) return verifyMail(MAIL_URL, transports.email)
        if (NODE_ENV !== 'production') return 'not set: mail is written to the log'
        throw new Advice(
          SMS_WEBHOOK_URL === undefined
            ? 'not set, and neither is SMS_WEBHOOK_URL, so no user can reset a password: set one of them'
            : 'not set: no mail is sent',
        )
      },
    },
    {
      name: 'SMS_WEBHOOK_URL',
      async run() {
        if (SMS_WEBHOOK_URL !== undefined) return verifySms(SMS_WEBHOOK_URL, transports.mobile)
        return NODE_ENV === 'production'
          ? 'not set: no SMS is sent'
          : 'not set: SMS are written to the log'
      },
    },
    {
      name: 'PUBLIC_URL',
      async run() {
        const warning = publicUrlWarning(PUBLIC_URL)
        if (warning !== undefined) throw new Advice(warning)
        return PUBLIC_URL
      },
    },
  ]
}

async function verifyMail(url: string, transport?: Transport): Promise<string> {
  const at = `the mail server at ${new URL(url).host}`
  try {
    await transport?.verify()
  } catch (error) {
    const isLogin = chainOf(error).some((each) => codeOf(each) === 'EAUTH')
    throw new OperatorError(
      isLogin
        ? `${at} refuses the login (${lastMessage(error)}): correct user and password in MAIL_URL`
        : `${at} does not answer (${lastMessage(error)}): start it, or correct MAIL_URL`,
      { cause: error },
    )
  }
  return `${at} takes mail`
}

async function verifySms(url: string, transport?: Transport): Promise<string> {
  const at = `the webhook at ${new URL(url).host}`
  try {
    await transport?.verify()
  } catch (error) {
    throw new OperatorError(
      `${at} does not answer (${lastMessage(error)}): start it, or correct SMS_WEBHOOK_URL`,
      { cause: error },
    )
  }
  return `${at} answers`
}

const lastMessage = (error: unknown) => chainOf(error).at(-1)?.message ?? String(error)

function reasonOf(error: Error): string {
  const { message, cause } = error
  if (error instanceof OperatorError) return message
  return cause instanceof Error ? `${message} (${cause.message})` : message
}
