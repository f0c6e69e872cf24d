/**
 * Where a reader of the revocations stands: a snapshot and its history. While it reads the full list,
 * page by page, `last` is the last id of the page. A cursor of an earlier release names no history.
 */
export type Cursor = { history?: string; snapshot: string; last?: string }

const maxLength = 1_000
const number = '[1-9]\\d{0,18}'
const pattern = new RegExp(
  `^(?:([0-9a-f]{32})\\.)?((${number}):(${number}):((?:${number}(?:,${number})*)?))` +
    '(?:~([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}))?$',
)

/** Returns undefined for a text that PostgreSQL would refuse as a `pg_snapshot` (`xmin:xmax:xip,…`). */
export function readCursor(text: string): Cursor | undefined {
  if (text.length > 33 + maxLength + 37) return undefined
  const [, history, snapshot, xmin = '', xmax = '', xip = '', last] = pattern.exec(text) ?? []
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
 * Shortens a snapshot's text for a URL. With hundreds of open transactions it returns an older
 * snapshot, so some denials are sent twice.
 */
export function shorten(snapshot: string): string {
  if (snapshot.length <= maxLength) return snapshot
  const [xmin = ''] = snapshot.split(':')
  return `${xmin}:${xmin}:`
}
