import { codeOf, findUnreachable } from './faults.js'

type Log = {
  warn(object: object, message: string): void
  info(object: object, message: string): void
}

type Options = { log?: Log | undefined; now?: () => number }

/** A way to the database that can be lost: the pool, or the connection of the denylist feed. */
export type Link = {
  /** Reports a fault of a connection. */
  lost(error: unknown): void
  /** Reports an answer of the database. */
  answered(): void
}

/**
 * How long a link must answer without a new fault before the outage counts as over, in milliseconds. A
 * connection that fails now and then must not log two lines each time.
 */
const quietFor = 500

/**
 * Knows whether the database can be reached. It logs one line when the first link is lost, and one when
 * all links answer again. Background work therefore logs its own connection faults at debug only.
 */
export function createOutage({ log, now = () => performance.now() }: Options = {}) {
  const lost = new Map<Link, { failedAt: number; answeredAt: number | undefined }>()
  let since = 0

  function finish(): void {
    const links = [...lost.values()]
    const end = Math.max(...links.map(({ answeredAt = Infinity }) => answeredAt))
    if (end === Infinity || links.some(({ failedAt }) => now() - failedAt < quietFor)) return
    lost.clear()
    log?.info({ ms: Math.round(end - since) }, 'database answers again')
  }

  return {
    isLost: () => lost.size > 0,

    /** @param address host and port, for the log */
    watch(address: string): Link {
      const link: Link = {
        lost(error) {
          if (lost.size === 0) {
            since = now()
            log?.warn({ address, ...fieldsOf(error) }, 'database lost, retrying')
          }
          lost.set(link, { failedAt: now(), answeredAt: undefined })
        },
        answered() {
          const state = lost.get(link)
          if (!state) return
          state.answeredAt ??= now()
          finish()
        },
      }
      return link
    },
  }
}

export type Outage = ReturnType<typeof createOutage>

/** The code of a fault of a connection, or its message if it has none. */
export function fieldsOf(error: unknown): { code: string } | { reason: string } {
  const cause = findUnreachable(error)
  const code = cause && codeOf(cause)
  return code ? { code } : { reason: (cause ?? (error as Error)).message }
}

/** What a warning says of an error. A fault of the connection needs no stack. */
export const failureFields = (err: unknown) => (isLinkFault(err) ? fieldsOf(err) : { err })

type FailureLog = Record<'warn' | 'debug', (object: object, message: string) => void>

/**
 * Logs a failure of work that is repeated. A fault of the connection is at debug, because the outage has its
 * own lines. Any other error is a warning with its stack.
 */
export function logFailure(log: FailureLog, err: unknown, message: string): void {
  log[isLinkFault(err) ? 'debug' : 'warn']({ err }, message)
}

/** Whether the error says that the database cannot be reached. A wait for a busy pool does not say so. */
export function isLinkFault(error: unknown): boolean {
  const cause = findUnreachable(error)
  return cause !== undefined && cause.message !== busyPool
}

/** The message of `pg-pool` after a wait for a free connection. */
const busyPool = 'timeout exceeded when trying to connect'
