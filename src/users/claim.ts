import { revokeCodes } from '../mail/codes.js'
import type { Transaction } from '../store.js'
import { addressKinds, type AddressKind } from './identifiers.js'

/**
 * Ends what gave access to an account until now, but for its password: sessions and codes; and where
 * none of its addresses had ever been proven, what whoever registered it may have left for themselves
 * as well: logins by providers, and the other address (R72).
 */
export async function endAccess(
  tx: Transaction,
  userId: string,
  { proven, wasProven }: { proven: AddressKind; wasProven: boolean },
): Promise<void> {
  await tx.sessions.endAll(userId)
  await revokeCodes(tx, userId)
  if (wasProven) return
  await tx.identities.removeAll(userId)
  const others = addressKinds.filter((kind) => kind !== proven)
  const identifiers = others.map((kind) => ({ kind, identifier: null }))
  await tx.users.update(userId, { identifiers })
}
