import type { Db } from '../db/pool.js'
import type { AddressKind } from '../users/identifiers.js'
import type { MessageName } from './messages.js'

/** Without a `user_id` it is for whoever has the address when it is sent, if anybody. */
export type NewMessage = {
  id: string
  message: MessageName
  kind: AddressKind
  address: string
  user_id?: string | null
}

export type QueuedMessage = Required<NewMessage> & { attempts: number; age: number }

/** The only SQL about what is still to be sent. `onPut` hears of each new message. */
export function createOutboxRepository(db: Db, onPut: () => void) {
  return {
    async put({ id, message, kind, address, user_id = null }: NewMessage): Promise<void> {
      await db.query(
        'insert into outbox (id, message, kind, address, user_id) values ($1, $2, $3, $4, $5)',
        [id, message, kind, address, user_id],
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

    /** Whether it is still to be sent; until the transaction ends nobody can cancel it. */
    async hold(id: string): Promise<boolean> {
      const { rowCount } = await db.query('select from outbox where id = $1 for update', [id])
      return rowCount === 1
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
         returning id, message, kind, address, user_id, attempts,
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

    async delete(id: string): Promise<void> {
      await db.query('delete from outbox where id = $1', [id])
    },
  }
}

export type OutboxRepository = ReturnType<typeof createOutboxRepository>
