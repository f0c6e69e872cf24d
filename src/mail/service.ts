import type { FastifyBaseLogger } from 'fastify'
import type { CodeService } from '../codes/service.js'
import type { Purpose } from '../codes/repository.js'
import type { Store } from '../store.js'
import { readIdentifier, type AddressKind } from '../users/identifiers.js'
import { writeLetter, type MessageName } from './messages.js'
import type { QueuedMessage } from './repository.js'
import type { Transport } from './transports.js'

type Dependencies = {
  store: Store
  codes: CodeService
  /** Without one, what is for that kind of address cannot be sent. */
  transports: Partial<Record<AddressKind, Transport>>
  log: FastifyBaseLogger
  appName: string
  publicUrl: string
}

type Wording = { purpose: Purpose; link_ttl?: number }

const day = 86_400

/** The messages that carry a code, and what it is for. */
const coded: Partial<Record<MessageName, Wording>> = {
  activation: { purpose: 'activation' },
  choose_password: { purpose: 'password_reset' },
  invitation: { purpose: 'password_reset', link_ttl: day },
  password_reset: { purpose: 'password_reset' },
  email_change: { purpose: 'email_change' },
  mobile_change: { purpose: 'mobile_change' },
}

/** Turns a row of the outbox into a message, and sends it. */
export function createMailService(dependencies: Dependencies) {
  const { store, codes, transports, log, appName, publicUrl } = dependencies

  return {
    /**
     * Sends a message, unless there is nobody to send it to any more.
     * @throws Error when it may not have arrived
     */
    async deliver(queued: QueuedMessage): Promise<void> {
      const { id, message, kind, address } = queued
      const transport = transports[kind]
      if (!transport) {
        log.warn({ message, kind }, 'a message was dropped: nothing is configured to send it')
        return
      }
      const identifier = readIdentifier(kind, address)
      const wording = coded[message]
      if (!wording) {
        await transport.send(id, address, writeLetter(message, { appName, publicUrl, kind }))
        return
      }
      const isChange = message === 'email_change' || message === 'mobile_change'
      const [holder] = await store.users.findHolders([identifier])
      if (isChange && holder && holder.user_id !== queued.user_id) {
        const letter = writeLetter('already_registered', { appName, publicUrl, kind })
        await transport.send(id, address, letter)
        return
      }
      const userId = isChange ? queued.user_id : holder?.user_id
      if (!userId || (message === 'activation' && holder?.activated)) return
      if (queued.user_id && queued.user_id !== userId) return
      const secrets = await codes.make({ user_id: userId, identifier, ...wording })
      const letter = writeLetter(message, { appName, publicUrl, kind, secrets })
      await transport.send(id, address, letter)
    },
  }
}

export type MailService = ReturnType<typeof createMailService>
