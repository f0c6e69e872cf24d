import type { Clock } from '../concurrency/clock.js'
import type { Config } from '../config/load.js'
import { LaterSchemaError, requireServable } from '../db/schema.js'
import type { DatabaseState } from '../db/state.js'
import { OperatorError } from '../errors.js'
import type { OutboxRepository } from '../features/messages/repository.js'
import type { Transport } from '../features/messages/transports.js'
import type { RoleRepository } from '../features/roles/repository.js'

/** `run` returns a short result, or throws Advice or another error. */
type Check = { name: string; run: () => Promise<string> }
type Options = {
  config: Config
  state: DatabaseState
  outbox: Pick<OutboxRepository, 'backlog'>
  roles: Pick<RoleRepository, 'countAdmins'>
  transports: () => Promise<Partial<Record<string, Transport>>>
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
  for (const { name, run } of checksOf(options)) {
    try {
      report({ name, state: 'ok', text: await run() })
    } catch (error) {
      const isAdvice = error instanceof Advice
      isHealthy &&= isAdvice
      report({ name, state: isAdvice ? 'note' : 'fault', text: reasonOf(error as Error) })
      // The next checks would query a schema that this release does not know.
      if (error instanceof LaterSchemaError) break
    }
  }
  return isHealthy
}

const words = { ok: 'ok   ', note: 'note ', fault: 'FAULT' }

export const lineOf = ({ name, state, text }: Finding) => `${words[state]} ${name}: ${text}`

function checksOf({ config, state, outbox, roles, transports, clock }: Options): Check[] {
  return [
    {
      name: 'PostgreSQL',
      async run() {
        const version = await state.version()
        if (Number.parseInt(version) < 15)
          throw new Error(`${version} is too old: Gatehouse needs 15 or newer`)
        return version
      },
    },
    {
      name: 'schema',
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
      async run() {
        const difference = Math.round(Math.abs(clock.now() - (await state.now())))
        const text = `differs from the database's clock by ${String(difference)} ms`
        if (difference > 2_000) throw new Error(`${text}: synchronize both with NTP`)
        return text
      },
    },
    {
      name: 'signing keys, mail and SMS',
      async run() {
        const found = Object.entries(await transports())
        for (const [, transport] of found) await transport?.verify()
        if (found.length === 0)
          throw new Advice('no messages can be sent: set MAIL_URL or SMS_WEBHOOK_URL')
        return `the keys can be decrypted, ${found.map(([kind]) => kind).join(' and ')} can be sent`
      },
    },
    {
      name: 'outbox',
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
      async run() {
        const count = await roles.countAdmins()
        if (count === 0)
          throw new Advice('none: create one with gatehouse create-admin USERNAME EMAIL')
        return String(count)
      },
    },
    {
      name: 'PUBLIC_URL',
      async run() {
        const { protocol, hostname } = new URL(config.PUBLIC_URL)
        const isLocal = hostname === 'localhost' || hostname === '127.0.0.1'
        if (protocol !== 'https:' && !isLocal) throw new Error(`${config.PUBLIC_URL} is not https`)
        if (isLocal) throw new Advice(`${config.PUBLIC_URL} can be reached from this machine only`)
        return config.PUBLIC_URL
      },
    },
  ]
}

function reasonOf(error: Error): string {
  const { message, cause } = error
  if (error instanceof OperatorError) return message
  return cause instanceof Error ? `${message} (${cause.message})` : message
}
