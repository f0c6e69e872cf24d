import { randomUUID } from 'node:crypto'
import { revokeCodes, type CodeRevocation } from '../messages/codes.js'
import type { OutboxRepository } from '../messages/repository.js'
import { addressFor } from './addresses.js'
import {
  addressKinds,
  identifierKinds,
  readIdentifier,
  type AddressKind,
  type IdentifierKind,
} from '../identifiers/identifiers.js'
import type { Standing, UserRepository } from './repository.js'

/** What endAccess() uses. */
export type AccessEnding = CodeRevocation & {
  identities: {
    removeAll: (userId: string) => Promise<void>
    removeUnproven: (userId: string) => Promise<void>
  }
  sessions: { endAll: (userId: string) => Promise<unknown> }
  users: Pick<UserRepository, 'update'>
}

/** What releaseAddress() uses. */
export type AddressRelease = CodeRevocation & {
  outbox: Pick<OutboxRepository, 'put'>
  users: Pick<UserRepository, 'get' | 'update'>
}

/** Whether some address of the account was proven. */
export const isProven = (standing: Standing): boolean =>
  standing.email_verified || standing.mobile_verified

/**
 * Whether a proof of this address, which the account has, is a proof that the account is its prover's:
 * not where only another address was proven. The user who proved that one typed another person's address.
 */
export const isOwnedBy = (kind: AddressKind, standing: Standing): boolean =>
  standing[`${kind}_verified`] || !isProven(standing)

/**
 * Ends everything but the password that gave access to an account before its owner proved an address:
 * sessions, codes, unproven addresses, and logins by providers that were connected before the
 * first proof. `standing` is as it was before this proof. What the account is called and what was
 * uploaded stays: it opens nothing, and without ACTIVATION=required no owner has proven anything before.
 */
export async function endAccess(
  tx: AccessEnding,
  proven: AddressKind,
  standing: Standing,
): Promise<void> {
  const { user_id } = standing
  await tx.sessions.endAll(user_id)
  await revokeCodes(tx, user_id)
  if (isProven(standing)) await tx.identities.removeUnproven(user_id)
  else await tx.identities.removeAll(user_id)
  const unproven = addressKinds.filter((kind) => kind !== proven && !standing[`${kind}_verified`])
  const identifiers = unproven.map((kind) => ({ kind, identifier: null }))
  if (identifiers.length > 0) await tx.users.update(user_id, { identifiers })
}

/**
 * Takes an unverified address from the account that has it, because its owner proved it elsewhere. Where
 * nothing else would be left to log in with, the account gets a username that nobody could have taken.
 */
export async function releaseAddress(
  tx: AddressRelease,
  kind: AddressKind,
  { user_id }: Standing,
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
