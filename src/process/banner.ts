import { resolve } from 'node:path'
import type { Config } from '../config/load.js'
import { release } from '../config/release.js'
import { isOnOwnMachine } from '../features/messages/mailbox.js'

/** The lines that a person reads when the service is ready. `address` is where it listens. */
export function bannerOf(config: Config, address: string): string {
  const url = originOf(config, address)
  const lines: [string, string][] = [
    ['pages', `${url}/login   ${url}/register`],
    ['docs', `${url}/docs`],
    ['data', dataOf(config)],
    ['mail', mailOf(config)],
    ...(isOnOwnMachine(config) ? [['', `${url}/dev/mail shows them`] as [string, string]] : []),
    ['admin', 'npx gatehouse create-admin USERNAME EMAIL'],
  ]
  const isElsewhere = new URL(url).port !== new URL(address).port
  if (isElsewhere) lines.unshift(['listens', address])
  const list = lines.map(([name, text]) => `  ${name.padEnd(9)}${text}`)
  return `\nGatehouse ${release} is ready: ${url}\n\n${list.join('\n')}\n\n`
}

/**
 * PUBLIC_URL, because a browser does not send the cookies of localhost to 127.0.0.1. With PORT=0 the system
 * chooses the port, which PUBLIC_URL does not know.
 */
function originOf({ PUBLIC_URL, PORT }: Config, address: string): string {
  const url = new URL(PUBLIC_URL)
  if (PORT === 0 && url.port === '0') url.port = new URL(address).port
  return url.origin
}

function dataOf({ DATABASE_URL, DATA_DIR }: Config): string {
  if (DATABASE_URL === undefined) return `${resolve(DATA_DIR)} (its own PostgreSQL)`
  const { host, hostname, pathname, searchParams } = new URL(
    DATABASE_URL.replace('@/', '@localhost/'),
  )
  return `PostgreSQL at ${hostname ? host : (searchParams.get('host') ?? 'localhost')}${pathname}`
}

function mailOf({ MAIL_URL, NODE_ENV }: Config): string {
  if (MAIL_URL === 'log') return 'not sent: messages are printed in this log'
  if (MAIL_URL !== undefined) return `sent by ${new URL(MAIL_URL).host}`
  return NODE_ENV === 'production' ? 'not sent: set MAIL_URL' : 'messages are printed in this log'
}
