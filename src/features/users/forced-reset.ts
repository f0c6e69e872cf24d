import { revokeCodes, type CodeRepositories } from '../messages/codes.js'
import type { OutboxRepository } from '../messages/repository.js'
import type { AddressKind } from '../identifiers/identifiers.js'
import type { UserRepository } from './repository.js'

/** The repositories that forceReset() uses. */
export type ForcedReset = CodeRepositories & {
  apiKeys: { deleteAll: (userId: string) => Promise<void> }
  outbox: Pick<OutboxRepository, 'put'>
  sessions: { endAll: (userId: string) => Promise<number> }
  users: Pick<UserRepository, 'setPassword'>
}

/**
 * Removes the password, and ends every session, API key and code. Trusted devices end with the password. `to` gets a
 * message to choose another password.
 */
export async function forceReset(
  tx: ForcedReset,
  user_id: string,
  to: { kind: AddressKind; address: string } | undefined,
): Promise<void> {
  await tx.users.setPassword(user_id, null)
  await tx.sessions.endAll(user_id)
  await tx.apiKeys.deleteAll(user_id)
  await revokeCodes(tx, user_id)
  if (to) await tx.outbox.put({ message: 'choose_password', ...to, user_id })
}
