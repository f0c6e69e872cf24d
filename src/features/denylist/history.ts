import type { Position } from './repository.js'

/** A position on a history that has a name. */
export type NamedPosition = Position & { history: string }

/** The history of the database has changed or has no name. The feed must load everything again. */
export class HistoryError extends Error {}

/** @throws HistoryError if the history has no name yet */
export function requireName({ history, snapshot }: Position): NamedPosition {
  if (history === null) throw new HistoryError('the history of the database has no name')
  return { history, snapshot }
}

/** @throws HistoryError */
export function requireSameHistory(
  since: NamedPosition,
  answer: Pick<Position, 'history'> & { known?: boolean },
): void {
  if (answer.history !== since.history || answer.known === false) {
    throw new HistoryError('the history of the database changed')
  }
}

/** Checks that the pool reads the same server as the feed. @throws Error if it does not */
export function requireSamePool(since: NamedPosition, history: string | null): void {
  if (history !== since.history) {
    throw new Error('DATABASE_URL and DATABASE_LISTEN_URL lead to different servers')
  }
}
