import type { FastifyBaseLogger } from 'fastify'
import { hashSecret, newSecret } from '../../crypto/secrets.js'
import type { CodeStore, CodeService } from '../codes/service.js'
import type { Purpose } from '../codes/repository.js'
import type { Asker } from '../codes/asker.js'
import type { DeviceMarks } from '../limits/device.js'
import type { CounterStore, Limits } from '../limits/limits.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import { readIdentifier, type AddressKind, type Identifier } from '../identifiers/identifiers.js'
import { isClaimable, type HolderState } from '../identifiers/claimable.js'
import { codedMessages } from './codes.js'
import { writeMessage, type MessageName } from './messages.js'
import type { NoticedLogin } from './noticed-login.js'
import type { OutboxRepository, QueuedMessage } from './repository.js'
import type { Transport } from './transports.js'

type Repositories = CodeStore &
  CounterStore & {
    invitations: { setToken: (id: string, hash: Buffer) => Promise<boolean> }
    loginNotices: { setToken: (id: string, hash: Buffer) => Promise<NoticedLogin | undefined> }
    outbox: Pick<OutboxRepository, 'hold'>
    users: {
      find: (id: string) => Promise<Record<AddressKind, string | null> | undefined>
      findCredentialById: (id: string) => Promise<{ password_version: number } | undefined>
      lockShared: (id: string) => Promise<boolean>
      findHolders: (identifiers: Identifier[]) => Promise<Holder[]>
    }
  }

type Holder = HolderState & { user_id: string; activated: boolean }

type Dependencies = {
  store: UnitOfWork<Repositories>
  codes: CodeService
  limits: Limits
  devices: DeviceMarks
  /** A message to an address without a transport is dropped. */
  transports: Partial<Record<AddressKind, Transport>>
  log: FastifyBaseLogger
  appName: string
  publicUrl: string
}

/** Turns a queued message into its content, and sends it. */
export function createMessageService(dependencies: Dependencies) {
  const { store, codes, limits, devices, transports, log, appName, publicUrl } = dependencies

  return {
    /** Sends a message, unless it is no longer needed. @throws Error if it may not have arrived */
    async deliver(queued: QueuedMessage): Promise<void> {
      const transport = transports[queued.kind]
      if (!transport) {
        const { message, kind } = queued
        log.warn({ message, kind }, 'message dropped, no transport is configured')
        return
      }
      const resolved = await resolve(queued)
      if (!resolved) return
      const { message, to } = resolved
      const prepared = await (queued.invitation_id !== null
        ? prepareInvitation(queued.invitation_id)
        : queued.login_id !== null
          ? prepareNotice(queued, queued.login_id)
          : prepare(queued, resolved))
      if (!prepared) return
      // Each attempt has a new code, so it needs a new id: a receiver must not take it for a duplicate.
      const id = `${queued.id}.${String(queued.attempts)}`
      const content = writeMessage(message, { appName, publicUrl, kind: queued.kind, ...prepared })
      await transport.send(id, to.kind === 'mobile' ? to.canonical : to.text, content)
    },
  }

  /** Decides by the present accounts which message goes to which address; undefined to send nothing. */
  async function resolve(queued: QueuedMessage): Promise<ResolvedMessage | undefined> {
    const { message, kind, user_id } = queued
    const to = readIdentifier(kind, queued.address)
    const codeUse = codedMessages[message]
    if (!codeUse) return { message, to }
    const [holder] = await store.users.findHolders([to])
    if (message === 'email_change' || message === 'mobile_change') {
      if (!user_id) return undefined
      if (holder && holder.user_id !== user_id) {
        if (holder.verified || holder.disabled) return { message: 'already_registered', to }
        return { message: 'address_move', to, code: { user_id, ...codeUse } }
      }
      return { message, to, code: { user_id, ...codeUse } }
    }
    if (!holder || (user_id !== null && user_id !== holder.user_id)) return undefined
    // An active account may still have an unverified address.
    if (message === 'activation' && (holder.verified || holder.disabled)) return undefined
    if (message === 'address_claim' && !isClaimable(holder)) return undefined
    if (codeUse.purpose === 'password_reset' && holder.proven && !holder.verified) {
      return message === 'password_reset' ? { message: 'address_unconfirmed', to } : undefined
    }
    // The address is used as its owner wrote it, not as the request did.
    const text = (await store.users.find(holder.user_id))?.[kind] ?? to.text
    const isActive = message === 'activation' && holder.activated
    const code = { user_id: holder.user_id, ...codeUse }
    return { message: isActive ? 'address_proof' : message, to: { ...to, text }, code }
  }

  /**
   * Counts a message that anyone may request, and makes its code. Returns undefined if the message was
   * cancelled or is over the limit. Codes sent before stay valid.
   */
  async function prepare({ id, message, asker }: QueuedMessage, { to, code }: ResolvedMessage) {
    const isPublic = message === 'activation' || message === 'password_reset'
    if (!isPublic && !code) return { secrets: undefined }
    return store.transaction(async (tx) => {
      // The user first, in the order of a change of the user, which cancels messages.
      if (code && !(await tx.users.lockShared(code.user_id))) return undefined
      const held = await tx.outbox.hold(id)
      if (!held) return undefined
      if (isPublic && !held.wasCounted) {
        const share = asker && code ? await findShare(tx, code.user_id, asker) : ''
        if (!(await limits.maySend(tx, message, to.canonical, share))) return undefined
      }
      const secrets = code && (await codes.make(tx, { identifier: to, ...code, asker }))
      return { secrets }
    })
  }

  /** Makes the token of an invitation. Returns undefined if the invitation was used or is void. */
  async function prepareInvitation(id: string) {
    const link = newSecret()
    const isUsable = await store.invitations.setToken(id, hashSecret(link))
    return isUsable ? { secrets: { link, code: '' } } : undefined
  }

  /**
   * Counts a notice of a login, and makes the token of its link. Returns undefined if the account has had too many
   * today, or if the link of an earlier attempt was used.
   */
  async function prepareNotice({ id, user_id }: QueuedMessage, loginId: string) {
    return store.transaction(async (tx) => {
      if (user_id === null || !(await tx.users.lockShared(user_id))) return undefined
      const held = await tx.outbox.hold(id)
      if (!held) return undefined
      if (!held.wasCounted && !(await limits.mayNotify(tx, user_id))) return undefined
      const link = newSecret()
      const login = await tx.loginNotices.setToken(loginId, hashSecret(link))
      return login && { secrets: { link, code: '' }, login }
    })
  }

  /** Names the device or network of the request if the user has logged in from it; it has its own budget. */
  async function findShare(
    tx: Repositories,
    id: string,
    { device, network }: Asker,
  ): Promise<string> {
    const { password_version: version = 0 } = (await tx.users.findCredentialById(id)) ?? {}
    const known = devices.read(device ?? undefined, { id, version })
    if (known !== undefined) return `device ${known}`
    return (await limits.isKnownNetwork(tx, { id, version }, network)) ? `network ${network}` : ''
  }
}

export type MessageService = ReturnType<typeof createMessageService>

type ResolvedMessage = {
  message: MessageName
  to: Identifier
  code?: Code
}

type Code = { user_id: string; purpose: Purpose; link_ttl?: number }
