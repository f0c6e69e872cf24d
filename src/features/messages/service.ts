import type { FastifyBaseLogger } from 'fastify'
import type { CodeMaking, CodeService } from '../codes/service.js'
import type { Purpose } from '../codes/repository.js'
import type { Asker } from '../codes/asker.js'
import type { DeviceMarks } from '../limits/device.js'
import type { Counting, Limits } from '../limits/limits.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import { readIdentifier, type AddressKind, type Identifier } from '../identifiers/identifiers.js'
import { isClaimable, type Holding } from '../identifiers/claimable.js'
import { codedMessages } from './codes.js'
import { writeLetter, type MessageName } from './messages.js'
import type { OutboxRepository, QueuedMessage } from './repository.js'
import type { Transport } from './transports.js'

type Repositories = CodeMaking &
  Counting & {
    outbox: Pick<OutboxRepository, 'hold'>
    users: {
      find: (id: string) => Promise<Record<AddressKind, string | null> | undefined>
      findCredentialById: (id: string) => Promise<{ password_version: number } | undefined>
      findHolders: (identifiers: Identifier[]) => Promise<Holder[]>
    }
  }

type Holder = Holding & { user_id: string; activated: boolean }

type Dependencies = {
  store: UnitOfWork<Repositories>
  codes: CodeService
  limits: Limits
  devices: DeviceMarks
  /** Without one, what is for that kind of address cannot be sent. */
  transports: Partial<Record<AddressKind, Transport>>
  log: FastifyBaseLogger
  appName: string
  publicUrl: string
}

/** Turns a row of the outbox into a message, and sends it. */
export function createMailService(dependencies: Dependencies) {
  const { store, codes, limits, devices, transports, log, appName, publicUrl } = dependencies

  return {
    /**
     * Sends a message, unless there is nobody to send it to any more.
     * @throws Error when it may not have arrived
     */
    async deliver(queued: QueuedMessage): Promise<void> {
      const transport = transports[queued.kind]
      if (!transport) {
        const { message, kind } = queued
        log.warn({ message, kind }, 'a message was dropped: nothing is configured to send it')
        return
      }
      const addressed = await address(queued)
      if (!addressed) return
      const { message, to } = addressed
      const prepared = await prepare(queued, addressed)
      if (!prepared) return
      // Each try has a code of its own: a receiver must not take it for the one before.
      const id = `${queued.id}.${String(queued.attempts)}`
      const letter = writeLetter(message, { appName, publicUrl, kind: queued.kind, ...prepared })
      await transport.send(id, to.kind === 'mobile' ? to.canonical : to.text, letter)
    },
  }

  /** Who gets what, as things are now: undefined where there is nothing to say any more. */
  async function address(queued: QueuedMessage): Promise<Addressed | undefined> {
    const { message, kind, user_id } = queued
    const to = readIdentifier(kind, queued.address)
    const wording = codedMessages[message]
    if (!wording) return { message, to }
    const [holder] = await store.users.findHolders([to])
    if (message === 'email_change' || message === 'mobile_change') {
      if (!user_id) return undefined
      if (holder && holder.user_id !== user_id) {
        if (holder.verified || holder.disabled) return { message: 'already_registered', to }
        return { message: 'address_move', to, code: { user_id, ...wording } }
      }
      return { message, to, code: { user_id, ...wording } }
    }
    if (!holder || (user_id !== null && user_id !== holder.user_id)) return undefined
    // An active account may still have an address to verify.
    if (message === 'activation' && (holder.verified || holder.disabled)) return undefined
    if (message === 'address_claim' && !isClaimable(holder)) return undefined
    if (wording.purpose === 'password_reset' && holder.proven && !holder.verified) {
      return message === 'password_reset' ? { message: 'address_unconfirmed', to } : undefined
    }
    // To the address as its owner wrote it, whatever spelling asked for it.
    const text = (await store.users.find(holder.user_id))?.[kind] ?? to.text
    const isActive = message === 'activation' && holder.activated
    const code = { user_id: holder.user_id, ...wording }
    return { message: isActive ? 'address_proof' : message, to: { ...to, text }, code }
  }

  /**
   * Counts a message that anybody may ask for, whatever it turned out to say, and makes its code.
   * Undefined where it was cancelled, or too many were sent: those that were still work.
   */
  async function prepare({ id, message, asker }: QueuedMessage, { to, code }: Addressed) {
    const isAnybodys = message === 'activation' || message === 'password_reset'
    if (!isAnybodys && !code) return { secrets: undefined }
    return store.transaction(async (tx) => {
      const held = await tx.outbox.hold(id)
      if (!held) return undefined
      if (isAnybodys && !held.wasCounted) {
        const share = asker && code ? await shareOf(tx, code.user_id, asker) : ''
        if (!(await limits.mayWrite(tx, message, to.canonical, share))) return undefined
      }
      const secrets = code && (await codes.make(tx, { identifier: to, ...code, asker }))
      return { secrets }
    })
  }

  /** A device or network from which the user logged in has messages of its own. */
  async function shareOf(
    tx: Repositories,
    id: string,
    { device, network }: Asker,
  ): Promise<string> {
    const { password_version: version = 0 } = (await tx.users.findCredentialById(id)) ?? {}
    const known = devices.read(device ?? undefined, { id, version })
    if (known !== undefined) return `device ${known}`
    return (await limits.isKnown(tx, { id, version }, network)) ? `network ${network}` : ''
  }
}

export type MailService = ReturnType<typeof createMailService>

type Addressed = {
  message: MessageName
  to: Identifier
  code?: Code
}

type Code = { user_id: string; purpose: Purpose; link_ttl?: number }
