import { randomUUID } from 'node:crypto'
import { revokeCodes, type CodeRepositories } from '../messages/codes.js'
import type { OutboxRepository } from '../messages/repository.js'
import { addressFor } from './addresses.js'
import {
  addressKinds,
  identifierKinds,
  readIdentifier,
  type AddressKind,
  type IdentifierKind,
} from '../identifiers/identifiers.js'
import type { AddressHolder } from './holder-repository.js'
import type { UserRepository } from './repository.js'

/** The repositories that endAccess() uses. */
export type AccessEnding = CodeRepositories & {
  identities: {
    removeAll: (userId: string) => Promise<void>
    removeUnproven: (userId: string) => Promise<void>
  }
  passkeys: {
    removeAll: (userId: string) => Promise<unknown>
    removeUnproven: (userId: string) => Promise<void>
  }
  apiKeys: { deleteAll: (userId: string) => Promise<void> }
  sessions: { endAll: (userId: string) => Promise<unknown> }
  users: Pick<UserRepository, 'update'>
}

/** The repositories that releaseAddress() uses. */
export type AddressRelease = CodeRepositories & {
  outbox: Pick<OutboxRepository, 'put'>
  users: Pick<UserRepository, 'get' | 'update'>
}

/** Whether the account has verified any address. */
export const isProven = (holder: AddressHolder): boolean =>
  holder.email_verified || holder.mobile_verified

/**
 * Whether the owner of this address owns the account that has it. If the account has verified only another
 * address, the account belongs to the owner of that one, who typed a stranger's address here.
 */
export const isOwnedBy = (kind: AddressKind, holder: AddressHolder): boolean =>
  holder[`${kind}_verified`] || !isProven(holder)

/**
 * Ends all access to an account that others may have obtained before its owner verified an address:
 * sessions, API keys, codes, unverified addresses, and provider logins and passkeys that were added before the
 * first verification. The caller replaces the password. The profile and uploads stay, because they give no access.
 * @param holder the state of the account before this verification
 */
export async function endAccess(
  tx: AccessEnding,
  proven: AddressKind,
  holder: AddressHolder,
): Promise<void> {
  const { user_id } = holder
  await tx.sessions.endAll(user_id)
  await tx.apiKeys.deleteAll(user_id)
  await revokeCodes(tx, user_id)
  for (const ways of [tx.identities, tx.passkeys]) {
    if (isProven(holder)) await ways.removeUnproven(user_id)
    else await ways.removeAll(user_id)
  }
  const unproven = addressKinds.filter((kind) => kind !== proven && !holder[`${kind}_verified`])
  const identifiers = unproven.map((kind) => ({ kind, identifier: null }))
  if (identifiers.length > 0) await tx.users.update(user_id, { identifiers })
}

/**
 * Removes an unverified address from the account that has it, because its owner has verified it for another
 * account. If the account would have no identifier left, it gets a random username.
 */
export async function releaseAddress(
  tx: AddressRelease,
  kind: AddressKind,
  { user_id }: AddressHolder,
): Promise<void> {
  const before = await tx.users.get(user_id)
  const identifiers: {
    kind: IdentifierKind
    identifier: ReturnType<typeof readIdentifier> | null
  }[] = [{ kind, identifier: null }]
  if (identifierKinds.every((one) => one === kind || before[one] === null)) {
    const identifier = readIdentifier('username', `user-${randomUUID()}`)
    identifiers.push({ kind: 'username', identifier })
  }
  const after = await tx.users.update(user_id, { identifiers })
  await revokeCodes(tx, user_id)
  const to = addressFor(after)
  if (to && after[`${to.kind}_verified`]) {
    await tx.outbox.put({ message: 'address_released', ...to, user_id })
  }
}
