import type { Position } from './repository.js'

/** A position on a history that has a name, as every position has once an instance has loaded. */
export type NamedPosition = Position & { history: string }

/** What was read belongs to another history of the database than what it was to be compared with. */
export class HistoryError extends Error {}

/** @throws HistoryError where the history has no name yet: the next try names it */
export function named({ history, snapshot }: Position): NamedPosition {
  if (history === null) throw new HistoryError('the history of the database has no name')
  return { history, snapshot }
}

/** @throws HistoryError */
export function requireSame(
  since: NamedPosition,
  answer: Pick<Position, 'history'> & { known?: boolean },
): void {
  if (answer.history !== since.history || answer.known === false) {
    throw new HistoryError('the history of the database changed')
  }
}

/** Two connections of one instance lead to servers that do not share their history. @throws Error */
export function requireSamePool(since: NamedPosition, history: string | null): void {
  if (history !== since.history) {
    throw new Error('DATABASE_URL and DATABASE_LISTEN_URL lead to different servers')
  }
}
