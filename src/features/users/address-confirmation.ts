import type { Admission } from '../admission/service.js'
import type { Caller } from '../../http/caller.js'
import type { CodeService } from '../codes/service.js'
import type { ProofBody } from '../codes/schemas.js'
import { AppError, taken } from '../../errors.js'
import { revokeCodes, type CodeRepositories } from '../messages/codes.js'
import type { UserRepository } from './repository.js'
import type { OutboxRepository } from '../messages/repository.js'
import type { CodeRepository, Purpose } from '../codes/repository.js'
import type { AuditRepository } from '../audit/repository.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import { releaseAddress, type AddressRelease } from './claim.js'
import type { AddressKind } from '../identifiers/identifiers.js'
import type { User } from './schemas.js'

export type ConfirmationRepositories = AddressRelease &
  CodeRepositories & {
    audit: Pick<AuditRepository, 'add'>
    codes: Pick<CodeRepository, 'redeem'>
    outbox: Pick<OutboxRepository, 'put'>
    users: Pick<UserRepository, 'get' | 'lockWithHolder' | 'update'>
  }

type Dependencies = {
  store: UnitOfWork<ConfirmationRepositories>
  admission: Pick<Admission, 'requireAccepted'>
  codes: CodeService
}

const changePurposes: Purpose[] = ['email_change', 'mobile_change']

/** Changes an address after its owner has confirmed it. */
export function createAddressConfirmation({ store, admission, codes }: Dependencies) {
  return {
    /** The new address to which a link was sent; undefined if the link is not valid. */
    findNewAddress: (token: string): Promise<string | undefined> =>
      codes.findAddress(changePurposes, token),

    /**
     * Replaces an address with a new one, by the code or link that was sent to the new one. Another account
     * that has the address but never verified it loses it.
     * @throws AppError `invalid_code`, `email_taken`, `mobile_taken`, `domain_not_allowed`
     */
    async confirmAddress(proof: ProofBody, caller: Caller): Promise<User> {
      const code = await codes.verify(changePurposes, proof, caller)
      const { user_id, kind, address: text, address_canonical: canonical } = code
      // The accepted domains may have changed since the message was sent.
      admission.requireAccepted([{ kind, text, canonical }])
      return store.transaction(async (tx) => {
        const holder = await tx.users.lockWithHolder(user_id, kind, canonical)
        const before = await tx.users.get(user_id)
        if (!(await tx.codes.redeem(code.id))) throw new AppError('invalid_code')
        if (holder && holder.user_id !== user_id) {
          if (holder[`${kind}_verified`] || holder.disabled) throw taken(kind)
          await releaseAddress(tx, kind, holder)
          const { user_id } = holder
          await tx.audit.add({ event: 'user.address_changed', caller, user_id })
        }
        const identifier = { kind, text, canonical }
        const user = await tx.users.update(user_id, {
          identifiers: [{ kind, identifier, verified: true }],
        })
        // Keeps the code that confirms a change of the user's other address.
        await revokeCodes(tx, user_id, kind === 'email' ? 'mobile_change' : 'email_change')
        await notifyOldAddress(tx, kind, before)
        await tx.audit.add({ event: 'user.address_changed', caller, user_id })
        return user
      })
    },
  }
}

/** Tells the old address, if there was one, that it no longer belongs to the account. */
export async function notifyOldAddress(
  tx: { outbox: Pick<OutboxRepository, 'put'> },
  kind: AddressKind,
  before: User,
): Promise<void> {
  const address = before[kind]
  if (address === null) return
  const message = 'address_changed'
  await tx.outbox.put({ message, kind, address, user_id: before.id })
}
