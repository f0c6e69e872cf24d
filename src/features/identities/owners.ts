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
import type { Standing, UserRepository } from '../users/repository.js'
import {
  endAccess,
  releaseAddress,
  type AccessEnding,
  type AddressRelease,
} from '../users/claim.js'
import type { Profile, Provider } from './provider.js'

export type OwnerSearch = AccessEnding &
  AddressRelease & {
    audit: Pick<AuditRepository, 'add'>
    identities: Pick<IdentityRepository, 'add' | 'find' | 'list'>
    outbox: Pick<OutboxRepository, 'put'>
    uploads: Pick<UploadRepository, 'deletePicture' | 'deleteReadme'>
    users: Pick<UserRepository, 'create' | 'get' | 'lock' | 'lockHolder' | 'setPassword' | 'verify'>
  }

type Dependencies = { activation: boolean; newId: () => string }

type Arrival = { provider: Provider; profile: Profile; email: Identifier; caller: Caller }

/**
 * Whose account it is that somebody enters by a provider. The provider's subject decides; an address
 * does so once, and only where its owner has proven it on both sides: whoever merely typed an address
 * into a registration has no claim on it against who proves it (ASVS 6.8.1).
 */
export function createOwners({ activation, newId }: Dependencies) {
  return {
    /**
     * The id of a user, whose row is locked.
     * @throws AppError `account_exists`, `email_required`, `unavailable` where two came at once
     */
    async findOrCreate(
      tx: OwnerSearch,
      provider: Provider,
      profile: Profile,
      caller: Caller,
    ): Promise<string> {
      const { issuer } = provider
      const { subject } = profile
      // OpenID Connect Core §2: ASCII, and no more than 255.
      if (!/^[ -~]{1,255}$/.test(subject)) throw new AppError('provider_refused')
      const known = await tx.identities.find(issuer, subject)
      if (known !== undefined) {
        await tx.users.lock(known)
        // Somebody may have taken it away while we waited.
        if ((await tx.identities.find(issuer, subject)) !== known) throw new AppError('unavailable')
        return known
      }
      const arrival = { provider, profile, email: readEmail(profile), caller }
      const user_id = await ownerOf(tx, arrival)
      if ((await tx.identities.find(issuer, subject)) === user_id) return user_id
      const email = arrival.email.text
      const isAdded = await tx.identities.add({ issuer, subject, user_id, email })
      if (!isAdded) throw new AppError('unavailable')
      await audit(tx, 'identity.linked', arrival, user_id)
      return user_id
    },

    verifyEmail,
  }

  /** Marks the user's own address as verified where the provider vouches for it. */
  async function verifyEmail(tx: OwnerSearch, userId: string, profile: Profile): Promise<void> {
    if (!profile.email_verified || profile.email === undefined) return
    const { email } = await tx.users.get(userId)
    // As in readEmail: in ASCII alone.
    if (email === null || !/^[!-~]+$/.test(profile.email)) return
    if (email.toLowerCase() !== profile.email.toLowerCase()) return
    await tx.users.verify(userId, 'email', readIdentifier('email', email).canonical)
  }

  async function ownerOf(tx: OwnerSearch, arrival: Arrival): Promise<string> {
    const { email, profile, provider } = arrival
    const holder = await tx.users.lockHolder('email', email.canonical)
    if (!holder) return create(tx, arrival)
    // The same person may have come in twice at once.
    const known = await tx.identities.find(provider.issuer, profile.subject)
    if (known === holder.user_id) return known
    if (!profile.email_verified) throw new AppError('account_exists')
    if (holder.email_verified) {
      const identities = await tx.identities.list(holder.user_id)
      // Another subject of the same provider: the address was passed on there.
      if (identities.some(({ issuer }) => issuer === provider.issuer)) {
        throw new AppError('account_exists')
      }
      await write(tx, 'identity_linked', arrival, holder.user_id)
      // An invited account, whose address an administrator set: this proves it as the invitation would.
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
    const { email, profile } = arrival
    const isReady = profile.email_verified || !activation
    const id = newId()
    const user = { id, ...newProfile({ name: readName(profile) }), identifiers: [email] }
    const created = await tx.users.create({ ...user, password_hash: null, activated: isReady })
    if (!created) throw new AppError('unavailable')
    if (profile.email_verified) await tx.users.verify(id, 'email', email.canonical)
    await audit(tx, 'user.registered', arrival, id)
    if (!isReady) await write(tx, 'activation', arrival, id)
    return id
  }

  /** The account belongs to a proven mobile number, whose owner typed somebody else's address. */
  async function giveUpEmail(tx: OwnerSearch, arrival: Arrival, holder: Standing) {
    await releaseAddress(tx, 'email', holder)
    await audit(tx, 'user.address_changed', arrival, holder.user_id)
  }

  /** Nothing of the account was ever proven: all that gave access to it ends, and its owner moves in. */
  async function takeOver(tx: OwnerSearch, arrival: Arrival, holder: Standing) {
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
    // To the address as its owner wrote it, not as the provider does.
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
 * In ASCII alone: of another spelling the provider may have made sure in a way that is not ours.
 * @throws AppError `email_required` without one that we take
 */
function readEmail({ email = '' }: Profile): Identifier {
  try {
    if (/^[!-~]+$/.test(email)) return readIdentifier('email', email)
  } catch (cause) {
    throw new AppError('email_required', { cause })
  }
  throw new AppError('email_required')
}

/** As much of it as a user could have typed. */
const readName = ({ name = '' }: Profile): string =>
  name.normalize('NFC').slice(0, 200).replace(/\p{C}/gu, '')
