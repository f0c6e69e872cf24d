import type { Db } from '../../db/pool.js'
import type { AddressKind } from '../identifiers/identifiers.js'
import type { Asker } from '../codes/asker.js'
import type { MessageName } from './messages.js'

/** Without a `user_id` it is for whoever has the address when it is sent, if anybody. */
export type NewMessage = {
  message: MessageName
  kind: AddressKind
  address: string
  user_id?: string | null
  /** From where it was asked for. */
  asker?: Asker | null
}

export type QueuedMessage = Required<NewMessage> & { id: string; attempts: number; age: number }

/** The only SQL about what is still to be sent. `onPut` hears of each new message. */
export function createOutboxRepository(db: Db, newId: () => string, onPut: () => void) {
  return {
    async put(queued: NewMessage): Promise<void> {
      const { message, kind, address, user_id = null, asker = null } = queued
      await db.query(
        `insert into outbox (id, message, kind, address, user_id, asker)
         values ($1, $2, $3, $4, $5, $6)`,
        [newId(), message, kind, address, user_id, asker && JSON.stringify(asker)],
      )
      onPut()
    },

    /** What a user has yet to be sent of these is not sent any more. */
    async cancel(userId: string, messages: MessageName[]): Promise<void> {
      await db.query('delete from outbox where user_id = $1 and message = any ($2)', [
        userId,
        messages,
      ])
    },

    /**
     * Holds a message until the transaction ends, so that it cannot be cancelled meanwhile. Undefined where it was
     * cancelled; else whether it was counted before. It is counted from now on.
     */
    async hold(id: string): Promise<{ wasCounted: boolean } | undefined> {
      const { rows } = await db.query<{ wasCounted: boolean }>(
        `update outbox o set is_counted = true
         from (select id, is_counted from outbox where id = $1 for update) before
         where o.id = before.id returning before.is_counted as "wasCounted"`,
        [id],
      )
      return rows[0]
    },

    /**
     * Takes messages of a kind that are due, for `hold` seconds: whoever does not delete or postpone them by
     * then has died, and another sends them. `age` in seconds.
     */
    async claim(kind: AddressKind, most: number, hold: number): Promise<QueuedMessage[]> {
      const { rows } = await db.query<QueuedMessage>(
        `update outbox set attempts = attempts + 1, due_at = now() + make_interval(secs => $2)
         where id in (
           select id from outbox where kind = $3 and due_at <= now() order by due_at limit $1
           for update skip locked)
         returning id, message, kind, address, user_id, asker, attempts,
           extract(epoch from now() - created_at)::float as age`,
        [most, hold, kind],
      )
      return rows
    },

    async postpone(id: string, seconds: number): Promise<void> {
      await db.query('update outbox set due_at = now() + make_interval(secs => $2) where id = $1', [
        id,
        seconds,
      ])
    },

    /** How many messages wait, and for how many seconds the oldest has. */
    async backlog(): Promise<{ count: number; oldest: number | null }> {
      const { rows } = await db.query<{ count: number; oldest: number | null }>(
        `select count(*)::integer as count,
           extract(epoch from now() - min(created_at))::integer as oldest from outbox`,
      )
      return rows[0] ?? { count: 0, oldest: null }
    },

    async delete(id: string): Promise<void> {
      await db.query('delete from outbox where id = $1', [id])
    },
  }
}

export type OutboxRepository = ReturnType<typeof createOutboxRepository>
