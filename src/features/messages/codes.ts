import type { CodeRepository, Purpose } from '../codes/repository.js'
import type { OutboxRepository } from './repository.js'
import type { MessageName } from './messages.js'

const day = 86_400

type Wording = { purpose: Purpose; link_ttl?: number }

/** What revokeCodes() uses. */
export type CodeRevocation = {
  codes: Pick<CodeRepository, 'deleteAll'>
  outbox: Pick<OutboxRepository, 'cancel'>
}

/** The messages that carry a code, and what it is for. */
export const codedMessages: Partial<Record<MessageName, Wording>> = {
  activation: { purpose: 'activation' },
  choose_password: { purpose: 'password_reset' },
  invitation: { purpose: 'password_reset', link_ttl: day },
  password_reset: { purpose: 'password_reset' },
  email_change: { purpose: 'email_change' },
  mobile_change: { purpose: 'mobile_change' },
  address_claim: { purpose: 'address_claim' },
}

/**
 * Every code of a user dies, but for those of one purpose where it is named; those too that are still
 * to be made as their message is sent. A claim to an address of the user is somebody else's, and stays.
 */
export async function revokeCodes(
  tx: CodeRevocation,
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
