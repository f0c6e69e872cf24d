import { readdirSync } from 'node:fs'
import type { Config } from '../config/load.js'
import { migrationsDirectory } from '../db/migrate.js'
import type { Db } from '../db/pool.js'
import { OperatorError } from '../errors.js'
import type { Transport } from '../features/messages/transports.js'

type Check = { what: string; run: () => Promise<string> }
type Options = {
  config: Config
  db: Db
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

function checksOf({ config, db, transports, now }: Options): Check[] {
  const one = async <Row>(text: string) => (await db.query<Row>(text)).rows[0] as Row
  return [
    {
      what: 'PostgreSQL',
      async run() {
        const { version } = await one<{ version: string }>(
          `select current_setting('server_version') as version`,
        )
        if (Number.parseInt(version) < 15) throw new Error(`${version} is older than 15`)
        return version
      },
    },
    {
      what: 'schema',
      async run() {
        const files = readdirSync(migrationsDirectory).map((name) => name.replace(/\.sql$/, ''))
        const { rows } = await db.query<{ name: string }>('select name from migrations')
        const done = rows.map(({ name }) => name)
        const open = files.filter((name) => !done.includes(name))
        if (open.length > 0) throw new Advice(`the next start migrates ${open.join(', ')}`)
        return `${String(files.length)} migrations done`
      },
    },
    {
      what: 'clock',
      async run() {
        const { ms } = await one<{ ms: number }>(
          'select extract(epoch from clock_timestamp())::float * 1000 as ms',
        )
        const apart = Math.abs(now().getTime() - ms)
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
        const { count, oldest } = await one<{ count: number; oldest: number | null }>(
          `select count(*)::integer as count,
             extract(epoch from now() - min(created_at))::integer as oldest from outbox`,
        )
        if ((oldest ?? 0) > 300) {
          throw new Error(`${String(count)} messages wait, the oldest for ${String(oldest)} s`)
        }
        return `${String(count)} messages wait`
      },
    },
    {
      what: 'administrators',
      async run() {
        const { count } = await one<{ count: number }>(
          `select count(*)::integer as count from user_roles join users on id = user_id
           where role = 'admin' and activated_at is not null and disabled_at is null`,
        )
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
