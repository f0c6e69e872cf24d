import type { Config } from '../config/load.js'
import type { DatabaseState } from '../db/state.js'
import { OperatorError } from '../errors.js'
import type { OutboxRepository } from '../features/messages/repository.js'
import type { Transport } from '../features/messages/transports.js'
import type { RoleRepository } from '../features/roles/repository.js'

type Check = { what: string; run: () => Promise<string> }
type Options = {
  config: Config
  state: DatabaseState
  outbox: Pick<OutboxRepository, 'backlog'>
  roles: Pick<RoleRepository, 'countAdmins'>
  transports: () => Promise<Partial<Record<string, Transport>>>
  now: () => Date
}

/** A finding that is worth a look, and yet no fault. */
class Advice extends Error {}

/** Looks at everything that an instance needs; prints a line each. Whether all is well. */
export async function doctor(options: Options, print: (line: string) => void): Promise<boolean> {
  let isWell = true
  for (const { what, run } of checksOf(options)) {
    try {
      print(`ok    ${what}: ${await run()}`)
    } catch (error) {
      const isAdvice = error instanceof Advice
      isWell &&= isAdvice
      print(`${isAdvice ? 'note ' : 'FAULT'} ${what}: ${reasonOf(error as Error)}`)
    }
  }
  return isWell
}

function checksOf({ config, state, outbox, roles, transports, now }: Options): Check[] {
  return [
    {
      what: 'PostgreSQL',
      async run() {
        const version = await state.version()
        if (Number.parseInt(version) < 15) throw new Error(`${version} is older than 15`)
        return version
      },
    },
    {
      what: 'schema',
      async run() {
        const { all, missing } = await state.migrations()
        if (missing.length > 0) throw new Advice(`the next start migrates ${missing.join(', ')}`)
        return `${String(all.length)} migrations done`
      },
    },
    {
      what: 'clock',
      async run() {
        const apart = Math.abs(now().getTime() - (await state.now()))
        if (apart > 2_000)
          throw new Error(`${String(Math.round(apart))} ms apart from the database's`)
        return `${String(Math.round(apart))} ms apart from the database's`
      },
    },
    {
      what: 'signing keys, mail and SMS',
      async run() {
        const found = Object.entries(await transports())
        for (const [, transport] of found) await transport?.verify()
        if (found.length === 0) throw new Advice('nothing is configured to send messages')
        return `the keys open, and ${found.map(([kind]) => kind).join(' and ')} can be sent`
      },
    },
    {
      what: 'outbox',
      async run() {
        const { count, oldest } = await outbox.backlog()
        if ((oldest ?? 0) > 300) {
          throw new Error(`${String(count)} messages wait, the oldest for ${String(oldest)} s`)
        }
        return `${String(count)} messages wait`
      },
    },
    {
      what: 'administrators',
      async run() {
        const count = await roles.countAdmins()
        if (count === 0) throw new Advice('none yet: gatehouse create-admin USERNAME EMAIL')
        return String(count)
      },
    },
    {
      what: 'PUBLIC_URL',
      async run() {
        const { protocol, hostname } = new URL(config.PUBLIC_URL)
        const isLocal = hostname === 'localhost' || hostname === '127.0.0.1'
        if (protocol !== 'https:' && !isLocal) throw new Error(`${config.PUBLIC_URL} is not https`)
        if (isLocal) throw new Advice(`${config.PUBLIC_URL} is this machine only`)
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
