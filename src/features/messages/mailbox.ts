import type { Clock } from '../../concurrency/clock.js'
import type { Config } from '../../config/load.js'
import type { MessageContent } from './messages.js'
import type { Transport } from './transports.js'

/** A message as it was sent, or would have been. `at` is ISO 8601. */
export type KeptMessage = { id: number; at: string; to: string; content: MessageContent }

/** How many messages are kept. */
const most = 50

const ownMachine = ['localhost', '127.0.0.1', '[::1]']

/** Whether the service is used by its developer alone. Only then may a page show codes and links. */
export const isOnOwnMachine = ({ NODE_ENV, PUBLIC_URL }: Config): boolean =>
  NODE_ENV !== 'production' && ownMachine.includes(new URL(PUBLIC_URL).hostname)

/** Keeps the last messages in memory, for the page /dev/mail. */
export function createMailbox(clock: Clock) {
  let count = 0
  let messages: KeptMessage[] = []

  return {
    /** The last messages, the newest first. */
    list: (): readonly KeptMessage[] => messages,

    find: (id: number): KeptMessage | undefined => messages.find((kept) => kept.id === id),

    /** The same transport. What it sends is kept, whether it arrives or not. */
    watch(transport: Transport): Transport {
      return {
        ...transport,
        send(id, to, content) {
          const at = new Date(clock.now()).toISOString()
          messages = [{ id: (count += 1), at, to, content }, ...messages].slice(0, most)
          return transport.send(id, to, content)
        },
      }
    },
  }
}

export type Mailbox = ReturnType<typeof createMailbox>
