import type { Db } from '../../db/pool.js'
import type { AddressKind } from '../identifiers/identifiers.js'
import type { Asker } from '../codes/asker.js'
import type { MessageName } from './messages.js'

/** Without a `user_id` the receiver is the owner of the address at the time of sending. */
export type NewMessage = {
  message: MessageName
  kind: AddressKind
  address: string
  user_id?: string | null
  /** The browser, device and network that requested the message. */
  asker?: Asker | null
  /** The invitation that the message carries. */
  invitation_id?: string | null
  /** The login that the message tells of. */
  login_id?: string | null
}

/** `age` is in seconds. */
export type QueuedMessage = Required<NewMessage> & { id: string; attempts: number; age: number }

/** All SQL about the outbox, the queue of messages to send. `onPut` is called after each new message. */
export function createOutboxRepository(db: Db, newId: () => string, onPut: () => void) {
  return {
    async put(queued: NewMessage): Promise<void> {
      const { message, kind, address, user_id = null, asker = null } = queued
      const { invitation_id = null, login_id = null } = queued
      await db.query(
        `insert into outbox (id, message, kind, address, user_id, asker, invitation_id, login_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8)`,
        [
          ...[newId(), message, kind, address, user_id],
          ...[asker && JSON.stringify(asker), invitation_id, login_id],
        ],
      )
      onPut()
    },

    /** Deletes queued messages of a user, by name. */
    async cancel(userId: string, messages: MessageName[]): Promise<void> {
      await db.query('delete from outbox where user_id = $1 and message = any ($2)', [
        userId,
        messages,
      ])
    },

    /**
     * Locks a message until the transaction ends, so that it cannot be cancelled meanwhile, and marks it
     * as counted by the limits. Returns whether it was counted before; undefined if it was cancelled.
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
     * Claims due messages of a kind for a number of seconds. After that another process may claim them,
     * unless they were deleted or postponed.
     */
    async claim(kind: AddressKind, limit: number, seconds: number): Promise<QueuedMessage[]> {
      const { rows } = await db.query<QueuedMessage>(
        `update outbox set attempts = attempts + 1, due_at = now() + make_interval(secs => $2)
         where id in (
           select id from outbox where kind = $3 and due_at <= now() order by due_at limit $1
           for update skip locked)
         returning id, message, kind, address, user_id, asker, invitation_id, login_id, attempts,
           extract(epoch from now() - created_at)::float as age`,
        [limit, seconds, kind],
      )
      return rows
    },

    async postpone(id: string, seconds: number): Promise<void> {
      await db.query('update outbox set due_at = now() + make_interval(secs => $2) where id = $1', [
        id,
        seconds,
      ])
    },

    /** Counts the queued messages. `oldest` is the age of the oldest in seconds. */
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
