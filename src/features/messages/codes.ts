import type { CodeRepository, Purpose } from '../codes/repository.js'
import type { OutboxRepository } from './repository.js'
import type { MessageName } from './messages.js'

const day = 86_400

type CodeUse = { purpose: Purpose; link_ttl?: number }

/** The repositories that revokeCodes() uses. */
export type CodeRepositories = {
  codes: Pick<CodeRepository, 'deleteAll'>
  outbox: Pick<OutboxRepository, 'cancel'>
}

/** The messages that contain a code, with its purpose. `link_ttl` is in seconds. */
export const codedMessages: Partial<Record<MessageName, CodeUse>> = {
  activation: { purpose: 'activation' },
  choose_password: { purpose: 'password_reset' },
  invitation: { purpose: 'password_reset', link_ttl: day },
  password_reset: { purpose: 'password_reset' },
  email_change: { purpose: 'email_change' },
  mobile_change: { purpose: 'mobile_change' },
  address_claim: { purpose: 'address_claim' },
}

/**
 * Revokes all codes of a user, except those of the purpose `except`. It also cancels queued messages,
 * whose codes are made later. Address claims stay, because they belong to another person.
 */
export async function revokeCodes(
  tx: CodeRepositories,
  userId: string,
  except?: Purpose,
): Promise<void> {
  const messages = Object.entries(codedMessages).filter(
    ([, { purpose }]) => purpose !== except && purpose !== 'address_claim',
  )
  await tx.outbox.cancel(
    userId,
    messages.map(([name]) => name as MessageName),
  )
  await tx.codes.deleteAll(userId, except)
}
