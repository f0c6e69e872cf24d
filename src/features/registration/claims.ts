import type { Admission } from '../admission/service.js'
import type { Caller } from '../../http/caller.js'
import type { CodeRepository, OneTimeCode } from '../codes/repository.js'
import { AppError } from '../../errors.js'
import type { CounterStore, Limits } from '../limits/limits.js'
import { newProfile } from '../users/profile.js'
import type { UserRepository } from '../users/repository.js'
import type { OutboxRepository } from '../messages/repository.js'
import type { AuditRepository } from '../audit/repository.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import { isClaimable } from '../identifiers/claimable.js'
import { releaseAddress, type AddressRelease } from '../users/claim.js'
import type { Identifier } from '../identifiers/identifiers.js'

export type ClaimRepositories = AddressRelease &
  CounterStore & {
    audit: Pick<AuditRepository, 'add'>
    codes: Pick<CodeRepository, 'redeem'>
    outbox: Pick<OutboxRepository, 'put'>
    users: Pick<UserRepository, 'create' | 'findHolders' | 'lockHolder'>
  }

type Dependencies = {
  store: UnitOfWork<ClaimRepositories>
  admission: Admission
  limits: Limits
  newId: () => string
}

/** Lets the owner of an address take it back from an account that never verified it. */
export function createClaims({ store, admission, limits, newId }: Dependencies) {
  return {
    /** Sends a message to each of these addresses that can be claimed. Its code lets the owner claim it. */
    async offer(identifiers: Identifier[]): Promise<void> {
      const holders = await store.users.findHolders(identifiers)
      for (const { kind, text, canonical } of identifiers) {
        const holder = holders.find((one) => one.kind === kind)
        if (kind === 'username' || !holder || !isClaimable(holder)) continue
        const { user_id } = holder
        await store.transaction(async (tx) => {
          if (!(await limits.maySend(tx, 'registration', canonical))) return
          const message = 'address_claim'
          await tx.outbox.put({ message, kind, address: text, user_id })
        })
      }
    },

    /**
     * Takes the address of the code from the account that has it, and creates a new account with it.
     * @returns the id of the new account
     * @throws AppError `invalid_code`, also if the other account has verified the address meanwhile, or nobody
     *   may register without an invitation any more
     */
    async redeem(code: OneTimeCode, password_hash: string, caller: Caller): Promise<string> {
      const { kind, address: text, address_canonical: canonical } = code
      const identifiers = [{ kind, text, canonical }]
      const isAdmitted =
        admission.isOpen &&
        admission.accepts({ kind, text, canonical }) &&
        admission.faultsOf(identifiers).length === 0
      if (!isAdmitted) throw new AppError('invalid_code')
      return store.transaction(async (tx) => {
        const isFree = await free(tx, code, caller)
        if (!isFree || !(await tx.codes.redeem(code.id))) throw new AppError('invalid_code')
        const id = newId()
        const proven = { password_hash, activated: true, verified: true }
        const user = { id, ...newProfile(), identifiers, ...proven }
        if (!(await tx.users.create(user))) throw new AppError('unavailable')
        await tx.audit.add({ event: 'user.registered', caller, user_id: id })
        return id
      })
    },

    free,
  }

  /**
   * Takes an address, whose owner has just proven it, from an account that never verified it. Returns false if
   * another account has verified it.
   */
  async function free(
    tx: ClaimRepositories,
    { kind, address_canonical }: Pick<OneTimeCode, 'kind' | 'address_canonical'>,
    caller: Caller,
  ): Promise<boolean> {
    const holder = await tx.users.lockHolder(kind, address_canonical)
    if (!holder) return true
    if (holder[`${kind}_verified`] || holder.disabled) return false
    await releaseAddress(tx, kind, holder)
    const { user_id } = holder
    await tx.audit.add({ event: 'user.address_changed', caller, user_id })
    return true
  }
}

export type Claims = ReturnType<typeof createClaims>
