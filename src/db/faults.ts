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
  const { hostname, port, username, password, pathname, searchParams } = new URL(
    url.replace('@/', '@socket/'),
  )
  const host = searchParams.get('host') ?? (hostname === 'socket' ? 'localhost' : hostname)
  const user = decode(username) || userInfo().username
  return {
    address: host.startsWith('/') ? host : `${host || 'localhost'}:${port || '5432'}`,
    host,
    hasPassword: password !== '' || searchParams.has('password'),
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

/** Why the database cannot be reached: `name` if its host is unknown, `protocol` if another program seems to listen. */
export function kindOfUnreachable(cause: Error): 'name' | 'protocol' | 'down' {
  if (/^(ENOTFOUND|EAI_AGAIN)$/.test(codeOf(cause))) return 'name'
  return /Connection terminated unexpectedly/.test(cause.message) ? 'protocol' : 'down'
}

function describeUnreachable(cause: Error, url: string): string {
  const { address, host } = placeOf(url)
  const reason = codeOf(cause) || cause.message
  switch (kindOfUnreachable(cause)) {
    case 'name':
      return `The host name ${host} is unknown (${reason}): correct it in DATABASE_URL, or the name server of this machine`
    case 'protocol':
      return `What listens at ${address} does not speak PostgreSQL, or closed the connection: correct host and port in DATABASE_URL, or start PostgreSQL behind its proxy`
    case 'down':
      return `PostgreSQL does not answer at ${address} (${reason}): start it, or correct host and port in DATABASE_URL`
  }
}

/** A sentence about an error of the database that the operator can fix; undefined for any other error. */
export function describeDatabaseFault(error: unknown, url: string): string | undefined {
  const unreachable = findUnreachable(error)
  if (unreachable) return describeUnreachable(unreachable, url)
  for (const each of chainOf(error)) {
    const { address, user, database, hasPassword } = placeOf(url)
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
    const isRefused = codeOf(each) === '28P01'
    if (!hasPassword && (isRefused || /password must be/i.test(each.message))) {
      return `${at} asks for a password of user ${user}, and DATABASE_URL has none: write it as postgres://user:password@host/database`
    }
    if (/does not support SSL/.test(each.message)) {
      return `${at} has no TLS: enable it there, or remove sslmode from DATABASE_URL`
    }
    if (/^(ERR_TLS_CERT|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(codeOf(each))) {
      return `${at} has a certificate that cannot be verified (${reason}): correct the host in DATABASE_URL, or name the file of its CA with sslrootcert`
    }
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
    if (/SSL|certificate|SASL|password must be/i.test(each.message)) {
      return `${at} cannot be used (${reason}): check the password and sslmode in DATABASE_URL`
    }
  }
  return undefined
}
