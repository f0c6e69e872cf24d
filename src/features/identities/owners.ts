import type { Admission } from '../admission/service.js'
import type { InvitationService, InvitationUse } from '../invitations/service.js'
import type { RoleGrant, RoleService } from '../roles/service.js'
import type { Caller } from '../../http/caller.js'
import { askerOf } from '../codes/asker.js'
import { AppError } from '../../errors.js'
import type { MessageName } from '../messages/messages.js'
import type { IdentityRepository } from './repository.js'
import type { UploadRepository } from '../uploads/repository.js'
import type { OutboxRepository } from '../messages/repository.js'
import type { AuditRepository } from '../audit/repository.js'
import { readIdentifier, type Identifier } from '../identifiers/identifiers.js'
import { newProfile } from '../users/profile.js'
import type { AddressHolder } from '../users/holder-repository.js'
import type { UserRepository } from '../users/repository.js'
import {
  endAccess,
  releaseAddress,
  type AccessEnding,
  type AddressRelease,
} from '../users/claim.js'
import type { Profile, Provider } from './provider.js'

export type OwnerSearch = AccessEnding &
  AddressRelease &
  InvitationUse &
  RoleGrant & {
    audit: Pick<AuditRepository, 'add'>
    identities: Pick<IdentityRepository, 'add' | 'find' | 'list'>
    outbox: Pick<OutboxRepository, 'put'>
    uploads: Pick<UploadRepository, 'deletePicture' | 'deleteReadme'>
    users: Pick<UserRepository, 'create' | 'get' | 'lock' | 'lockHolder' | 'setPassword' | 'verify'>
  }

type Dependencies = {
  activation: boolean
  admission: Admission
  invitations: Pick<InvitationService, 'redeem'>
  roles: Pick<RoleService, 'grantIn'>
  newId: () => string
}

type Arrival = {
  provider: Provider
  profile: Profile
  email: Identifier
  caller: Caller
  invitation: string | undefined
}

/**
 * Finds the account for a login by a provider. The subject of the provider decides. At the first login the
 * address decides, but only if it is verified both here and at the provider. An account with an unverified
 * address cannot keep it from a user whose provider has verified it (ASVS 6.8.1).
 */
export function createOwners({ activation, admission, invitations, roles, newId }: Dependencies) {
  return {
    /**
     * Returns the id of the user, and locks the row of the user.
     * @throws AppError `account_exists`, `email_required`, `registration_closed`, `invitation_required`,
     *   `invalid_invitation`, `domain_not_allowed`, `unavailable` if another login ran at the same time
     */
    async findOrCreate(
      tx: OwnerSearch,
      provider: Provider,
      profile: Profile,
      caller: Caller,
      invitation?: string,
    ): Promise<string> {
      const { issuer } = provider
      const { subject } = profile
      // OpenID Connect Core §2: `sub` has at most 255 ASCII characters.
      if (!/^[ -~]{1,255}$/.test(subject)) throw new AppError('provider_refused')
      const known = await tx.identities.find(issuer, subject)
      if (known !== undefined) {
        await tx.users.lock(known)
        // The identity may have been disconnected while this transaction waited for the lock.
        if ((await tx.identities.find(issuer, subject)) !== known) throw new AppError('unavailable')
        return known
      }
      const arrival = { provider, profile, email: readEmail(profile), caller, invitation }
      const user_id = await findOwner(tx, arrival)
      if ((await tx.identities.find(issuer, subject)) === user_id) return user_id
      const email = arrival.email.text
      const isAdded = await tx.identities.add({ issuer, subject, user_id, email })
      if (!isAdded) throw new AppError('unavailable')
      await audit(tx, 'identity.linked', arrival, user_id)
      return user_id
    },

    verifyEmail,
  }

  /** Marks the user's address as verified if the provider has verified the same address. */
  async function verifyEmail(tx: OwnerSearch, userId: string, profile: Profile): Promise<void> {
    if (!profile.email_verified || profile.email === undefined) return
    const { email } = await tx.users.get(userId)
    // ASCII only, as in readEmail().
    if (email === null || !/^[!-~]+$/.test(profile.email)) return
    if (email.toLowerCase() !== profile.email.toLowerCase()) return
    await tx.users.verify(userId, 'email', readIdentifier('email', email).canonical)
  }

  async function findOwner(tx: OwnerSearch, arrival: Arrival): Promise<string> {
    const { email, profile, provider } = arrival
    const holder = await tx.users.lockHolder('email', email.canonical)
    if (!holder) return create(tx, arrival)
    // Another login of the same user may have run at the same time.
    const known = await tx.identities.find(provider.issuer, profile.subject)
    if (known === holder.user_id) return known
    if (!profile.email_verified) throw new AppError('account_exists')
    if (holder.email_verified) {
      const identities = await tx.identities.list(holder.user_id)
      // The account has another subject of this provider: the provider gave the address to another user.
      if (identities.some(({ issuer }) => issuer === provider.issuer)) {
        throw new AppError('account_exists')
      }
      await write(tx, 'identity_linked', arrival, holder.user_id)
      // An administrator set the address of an invited account. This login proves it, as the invitation would.
      await tx.users.verify(holder.user_id, 'email', email.canonical)
      return holder.user_id
    }
    if (holder.disabled) throw new AppError('invalid_credentials')
    if (holder.mobile_verified) {
      await giveUpEmail(tx, arrival, holder)
      return create(tx, arrival)
    }
    await takeOver(tx, arrival, holder)
    return holder.user_id
  }

  async function create(tx: OwnerSearch, arrival: Arrival): Promise<string> {
    const { email, profile, caller, invitation } = arrival
    admission.requireAdmitted(invitation !== undefined)
    admission.requireAccepted([email])
    const invited = invitation === undefined ? undefined : await invitations.redeem(tx, invitation)
    const isForThem = !invited?.kind || invited.address_canonical === email.canonical
    if (!isForThem) throw new AppError('invalid_invitation')
    const isReady = profile.email_verified || !activation
    const id = newId()
    const user = { id, ...newProfile({ name: readName(profile) }), identifiers: [email] }
    const created = await tx.users.create({ ...user, password_hash: null, activated: isReady })
    if (!created) throw new AppError('unavailable')
    if (profile.email_verified) await tx.users.verify(id, 'email', email.canonical)
    await audit(tx, 'user.registered', arrival, id)
    if (!isReady) await write(tx, 'activation', arrival, id)
    for (const name of invited?.roles ?? []) await roles.grantIn(tx, caller, id, name)
    return id
  }

  /** The holder has verified a mobile number, but not this address: the holder keeps the account without it. */
  async function giveUpEmail(tx: OwnerSearch, arrival: Arrival, holder: AddressHolder) {
    await releaseAddress(tx, 'email', holder)
    await audit(tx, 'user.address_changed', arrival, holder.user_id)
  }

  /**
   * The holder has verified no address, so the owner of this address gets the account. The old password,
   * sessions, codes, identities, other addresses and uploads are removed.
   */
  async function takeOver(tx: OwnerSearch, arrival: Arrival, holder: AddressHolder) {
    const { user_id } = holder
    await tx.users.setPassword(user_id, null)
    await endAccess(tx, 'email', holder)
    await tx.uploads.deletePicture(user_id)
    await tx.uploads.deleteReadme(user_id)
    await tx.users.verify(user_id, 'email', arrival.email.canonical)
    await write(tx, 'account_claimed', arrival, user_id)
    await audit(tx, 'user.claimed', arrival, user_id)
  }

  async function write(
    tx: OwnerSearch,
    message: MessageName,
    arrival: Arrival,
    user_id: string,
  ): Promise<void> {
    // The address in the user's own spelling, which may differ from the provider's.
    const { email } = await tx.users.get(user_id)
    const address = email ?? arrival.email.text
    await tx.outbox.put({
      message,
      kind: 'email',
      address,
      user_id,
      asker: askerOf(arrival.caller),
    })
  }

  async function audit(
    tx: OwnerSearch,
    event: 'identity.linked' | 'user.registered' | 'user.address_changed' | 'user.claimed',
    { caller, provider }: Arrival,
    user_id: string,
  ): Promise<void> {
    await tx.audit.add({ event, caller, user_id, detail: { provider: provider.name } })
  }
}

export type Owners = ReturnType<typeof createOwners>

/**
 * Accepts ASCII only: the provider may normalize other characters differently from us.
 * @throws AppError `email_required` if the address is missing or invalid
 */
function readEmail({ email = '' }: Profile): Identifier {
  try {
    if (/^[!-~]+$/.test(email)) return readIdentifier('email', email)
  } catch (cause) {
    throw new AppError('email_required', { cause })
  }
  throw new AppError('email_required')
}

/** Applies the limits on names that users type: at most 200 characters, no control or format characters. */
const readName = ({ name = '' }: Profile): string =>
  name.normalize('NFC').slice(0, 200).replace(/\p{C}/gu, '')
