import { createHash } from 'node:crypto'
import pg from 'pg'

/** How often a statement must have run before it is prepared. */
const usesBefore = 3
/** How many texts are counted, and how many of them are prepared at most. */
const maxTexts = 1_000
const maxNames = 200

/**
 * Names the statements that repeat. PostgreSQL parses and plans a statement with a name once for a connection,
 * and a statement without one each time. Behind a pooler such as PgBouncer nothing gets a name, because the
 * next transaction may run on another connection.
 */
export function createPreparer() {
  const uses = new Map<string, number>()
  const names = new Map<string, string>()
  let meeting: Promise<void> | undefined
  let isOn = false
  let generation = 0

  return {
    /** Learns from the first connection whether a pooler is in between. */
    meet: (client: pg.ClientBase): Promise<void> | undefined => {
      if (meeting === undefined) {
        meeting = isDirect(client).then(
          (answer) => void (isOn = answer),
          () => void (meeting = undefined), // the statement that follows reports the fault
        )
      }
      return isOn ? undefined : meeting
    },

    /** The name under which a statement is prepared; undefined if it is not. */
    nameOf(text: string): string | undefined {
      if (!isOn) return undefined
      const known = names.get(text)
      if (known !== undefined || names.size === maxNames) return known
      const count = (uses.get(text) ?? 0) + 1
      if (count > usesBefore) {
        uses.delete(text)
        names.set(text, nameOf(text, generation))
      } else {
        if (uses.size === maxTexts) uses.clear()
        uses.set(text, count)
      }
      return names.get(text)
    },

    /** Prepares under other names, so that no connection uses what it has prepared before. */
    renew(): void {
      names.clear()
      generation += 1
    },

    /** Prepares nothing any more, because the server does not keep what is prepared. */
    stop(): void {
      isOn = false
    },
  }
}

/**
 * A name stands for one text in every process. If a pooler comes in between after all, a name that another
 * process has prepared is the same statement.
 */
const nameOf = (text: string, generation: number) =>
  `gatehouse_${createHash('sha256').update(text).digest('hex').slice(0, 32)}_${String(generation)}`

/** A pooler tells clients a process id of its own. */
async function isDirect(client: pg.ClientBase): Promise<boolean> {
  const { processID } = client as unknown as { processID: number | null }
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
  return rows[0]?.pid === processID
}

/** The server does not know the name (26000), or knows it for another statement (42P05). */
export const isForgotten = (error: unknown) =>
  error instanceof pg.DatabaseError && /^(26000|42P05)$/.test(error.code ?? '')

/** What was prepared is lost, or no longer fits the tables: another release has migrated them. */
export const isStale = (error: unknown) =>
  isForgotten(error) ||
  (error instanceof pg.DatabaseError &&
    error.code === '0A000' &&
    error.routine === 'RevalidateCachedQuery')
