/**
 * A snapshot, the history of the database that it belongs to, and on the way through the list of all
 * the last id that was seen. A cursor of an earlier release names no history.
 */
export type Cursor = { history?: string; snapshot: string; last?: string }

const maxLength = 1_000
const number = '[1-9]\\d{0,18}'
const form = new RegExp(
  `^(?:([0-9a-f]{32})\\.)?((${number}):(${number}):((?:${number}(?:,${number})*)?))` +
    '(?:~([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}))?$',
)

/** Undefined for a text that the database could not read (pg_snapshot: `xmin:xmax:xip,…`). */
export function readCursor(text: string): Cursor | undefined {
  if (text.length > 33 + maxLength + 37) return undefined
  const [, history, snapshot, xmin = '', xmax = '', xip = '', last] = form.exec(text) ?? []
  if (snapshot === undefined) return undefined
  const running = xip === '' ? [] : xip.split(',').map(BigInt)
  const [first, end] = [BigInt(xmin), BigInt(xmax)]
  const isAscending = running.every((id, at) => id >= (running[at - 1] ?? -1n) + 1n)
  const isWithin = running.every((id) => first <= id && id < end)
  if (first > end || !isAscending || !isWithin) return undefined
  return {
    ...(history !== undefined && { history }),
    snapshot,
    ...(last !== undefined && { last }),
  }
}

export const writeCursor = ({ history, snapshot, last }: Cursor) =>
  `${history === undefined ? '' : `${history}.`}${snapshot}${last === undefined ? '' : `~${last}`}`

/**
 * A snapshot's text short enough for a query. Where hundreds of transactions are open it is one
 * that shows less, so that something is sent twice.
 */
export function shortened(snapshot: string): string {
  if (snapshot.length <= maxLength) return snapshot
  const [xmin = ''] = snapshot.split(':')
  return `${xmin}:${xmin}:`
}
