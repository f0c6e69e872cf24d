import type { Caller } from '../../http/caller.js'
import { askerOf } from '../codes/asker.js'
import type { CodeService } from '../codes/service.js'
import { AppError, invalidField } from '../../errors.js'
import type { DeviceMarks, DeviceOwner } from '../limits/device.js'
import { deviceOf } from '../limits/known-devices.js'
import type { CounterStore, Limits } from '../limits/limits.js'
import { endAccess, isOwnedBy, type AccessEnding } from '../users/claim.js'
import type { PasswordHasher } from '../passwords/hash.js'
import type { PasswordPolicy } from '../passwords/policy.js'
import type { OutboxRepository } from '../messages/repository.js'
import type { AuditRepository } from '../audit/repository.js'
import type { CodeRepository, Purpose } from '../codes/repository.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import {
  addressKinds,
  readIdentifier,
  type AddressKind,
  type Identifier,
} from '../identifiers/identifiers.js'
import type { UserRepository } from '../users/repository.js'
import type { Claims } from './claims.js'
import type { AddressBody, ResetBody } from './schemas.js'

export type RecoveryRepositories = AccessEnding &
  CounterStore & {
    audit: Pick<AuditRepository, 'add'>
    codes: Pick<CodeRepository, 'redeem'>
    outbox: Pick<OutboxRepository, 'put'>
    users: Pick<UserRepository, 'find' | 'keepDevice' | 'lockHolder' | 'setPassword' | 'verify'>
  }

type Dependencies = {
  store: UnitOfWork<RecoveryRepositories>
  codes: CodeService
  passwords: PasswordHasher
  policy: PasswordPolicy
  limits: Limits
  devices: DeviceMarks
  claims: Pick<Claims, 'redeem'>
}

const resetPurposes: Purpose[] = ['password_reset', 'address_claim']

/** Restores access to an account by messages: another activation message, and password reset. */
export function createRecovery(dependencies: Dependencies) {
  const { store, codes, passwords, policy, limits, devices, claims } = dependencies

  return {
    /** Sends the activation message again if the account needs one. The caller does not learn whether. */
    resend: (body: AddressBody, caller: Caller): Promise<void> =>
      requestMessage('activation', body, caller),

    /** Sends a message to reset the password if there is an account. The caller does not learn whether. */
    forgot: (body: AddressBody, caller: Caller): Promise<void> =>
      requestMessage('password_reset', body, caller),

    /** The address to which the link of an activation was sent; undefined if the link is not valid. */
    findActivationAddress: (token: string): Promise<string | undefined> =>
      codes.findAddress(['activation'], token),

    /** The address to which the link for a new password was sent; undefined if the link is not valid. */
    findResetAddress: (token: string): Promise<string | undefined> =>
      codes.findAddress(resetPurposes, token),

    /**
     * Sets a new password with a code or link, and ends every session. The code also verifies its address:
     * it activates the account, and removes the account's other addresses that were never verified. A code
     * of an address claim creates a new account instead. The user is not logged in.
     * @returns `device`, a mark for the browser that its next login sends
     * @throws AppError `invalid_code`, `weak_password`, `overloaded`
     */
    async reset(
      { new_password, ...proof }: ResetBody,
      caller: Caller,
    ): Promise<{ device: string }> {
      const code = await codes.verify(resetPurposes, proof, caller)
      const { user_id, kind, address, address_canonical } = code
      const isClaim = code.purpose === 'address_claim'
      const user = await store.users.find(user_id)
      if (!user) throw new AppError('invalid_code')
      const names = isClaim ? [address] : [user.name, user.username, user.email, user.mobile]
      await policy.check(new_password, names, { field: 'new_password' })
      const hash = await passwords.hash(new_password)
      if (isClaim)
        return markDevice({ id: await claims.redeem(code, hash, caller), version: 0 }, caller)
      const version = await store.transaction(async (tx) => {
        const holder = await tx.users.lockHolder(kind, address_canonical)
        // The account may have verified another address since the message was sent.
        const isOwner = holder?.user_id === user_id && isOwnedBy(kind, holder)
        if (!isOwner || !(await tx.codes.redeem(code.id))) throw new AppError('invalid_code')
        await tx.users.verify(user_id, kind, address_canonical)
        const changed = await tx.users.setPassword(user_id, hash)
        await tx.users.keepDevice(user_id, deviceOf(caller))
        await limits.resetMessages(tx, 'password_reset', address_canonical)
        await endAccess(tx, kind, holder)
        await tx.outbox.put({ message: 'password_changed', kind, address, user_id })
        await tx.audit.add({ event: 'password.reset', caller, user_id })
        return changed
      })
      return markDevice({ id: user_id, version }, caller)
    },
  }

  /** Lets this browser and network log in even while wrong guesses of others block the account. */
  async function markDevice(owner: DeviceOwner, { address }: Caller): Promise<{ device: string }> {
    await limits.guesses.resetAccount(owner, address)
    return { device: devices.make(owner) }
  }

  /**
   * Adds the same outbox row for every address, known or not, so that the response time reveals nothing. The
   * worker finds the account when it sends the message.
   */
  async function requestMessage(
    message: 'activation' | 'password_reset',
    body: AddressBody,
    caller: Caller,
  ): Promise<void> {
    const { kind, text } = readOneAddress(body)
    const asker = askerOf(caller)
    await store.outbox.put({ message, kind, address: text, asker })
  }
}

/** @throws AppError `validation_failed` unless the body has exactly one address */
function readOneAddress(body: AddressBody): Identifier & { kind: AddressKind } {
  const [kind, second] = addressKinds.filter((name) => body[name] !== undefined)
  if (kind === undefined) throw invalidField('email', 'is required unless a mobile number is given')
  if (second !== undefined)
    throw invalidField(second, 'must not be given together with an e-mail address')
  return { ...readIdentifier(kind, body[kind] ?? ''), kind }
}
