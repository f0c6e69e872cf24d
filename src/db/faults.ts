import { userInfo } from 'node:os'
import pg from 'pg'

/** The errors of a chain of causes, the outermost first. Node puts the tries of one connection in an AggregateError. */
export function chainOf(error: unknown): Error[] {
  if (!(error instanceof Error)) return []
  const [first] = error instanceof AggregateError ? (error.errors as unknown[]) : []
  return [error, ...chainOf(error.cause ?? first)]
}

export const codeOf = (error: Error) => (error as NodeJS.ErrnoException).code ?? ''

/** Errors of a connection that ended. Those of a connection that never was have the syscall `connect`. */
const ended = /^(ECONNRESET|EPIPE|ETIMEDOUT)$/

/** SQLSTATE 08 connection, 53300 too many connections, 57P03 starting up, 57P01 and 57P02 shutting down. */
const busy = /^(08|53300|57P0[123])/

/** The timeouts and ends of connections of `pg`, and those of the denylist feed, have no code. */
const noAnswer = /timeout|Connection terminated|connection was lost|no answer from the database/i

/** The error of a database that does not answer, and may do so later; undefined for any other error. */
export function findUnreachable(error: unknown): Error | undefined {
  return chainOf(error).find((each) => {
    const code = codeOf(each)
    if (each instanceof pg.DatabaseError) return busy.test(code)
    const { syscall = '' } = each as NodeJS.ErrnoException
    const isConnecting = syscall === 'connect' || syscall === 'getaddrinfo'
    return isConnecting || ended.test(code) || noAnswer.test(each.message)
  })
}

/** Address, user and database of a URL, for messages. The password is left out. `pg` would read its files. */
function placeOf(url: string) {
  const { hostname, port, username, pathname, searchParams } = new URL(
    url.replace('@/', '@socket/'),
  )
  const host = searchParams.get('host') ?? (hostname === 'socket' ? 'localhost' : hostname)
  const user = decode(username) || userInfo().username
  return {
    address: host.startsWith('/') ? host : `${host || 'localhost'}:${port || '5432'}`,
    user: `"${user}"`,
    database: `"${decode(pathname.slice(1)) || user}"`,
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text // a % that encodes nothing
  }
}

export const addressOf = (url: string) => placeOf(url).address

/** A sentence about an error of the database that the operator can fix; undefined for any other error. */
export function describeDatabaseFault(error: unknown, url: string): string | undefined {
  const unreachable = findUnreachable(error)
  if (unreachable) {
    const reason = codeOf(unreachable) || unreachable.message
    return `PostgreSQL does not answer at ${addressOf(url)} (${reason}): start it, or correct host and port in DATABASE_URL`
  }
  for (const each of chainOf(error)) {
    const { address, user, database } = placeOf(url)
    const at = `PostgreSQL at ${address}`
    const reason = each.message.replaceAll('\n', ' ')
    const { path = '', syscall } = each as NodeJS.ErrnoException
    if (
      syscall === 'open' &&
      path !== '' &&
      [path, encodeURIComponent(path)].some((text) => url.includes(text))
    ) {
      return `DATABASE_URL names a file that cannot be read: ${path} (${codeOf(each)}). Correct its path or permissions`
    }
    const form = 'DATABASE_URL is postgres://user:password@host/database'
    switch (codeOf(each)) {
      case '28P01':
        return `${at} refuses the password of user ${user}: correct it in DATABASE_URL, with special characters encoded, such as %23 for #`
      case '28000':
        return `${at} refuses user ${user} (${reason}): create the user, allow it in pg_hba.conf, or correct DATABASE_URL`
      case '3D000':
        return `${at} has no database ${database}: create it, or correct the name at the end of DATABASE_URL`
      case '42501':
        return `${at} does not allow this to user ${user} (${reason}): make the user the owner of database ${database}`
    }
    if (/SSL|certificate|SASL|password must be a string/i.test(each.message)) {
      return `${at} cannot be used (${reason}): check the password and sslmode in DATABASE_URL; ${form}`
    }
  }
  return undefined
}
