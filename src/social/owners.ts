import type { Caller } from '../audit/caller.js'
import { AppError } from '../errors.js'
import type { Limits } from '../limits/limits.js'
import { revokeCodes } from '../mail/codes.js'
import type { MessageName } from '../mail/messages.js'
import type { Transaction } from '../store.js'
import { readIdentifier, type Identifier } from '../users/identifiers.js'
import type { Standing } from '../users/repository.js'
import type { Profile, Provider } from './provider.js'

type Dependencies = { limits: Limits; activation: boolean; newId: () => string }

type Arrival = { provider: Provider; profile: Profile; email: Identifier; caller: Caller }

/**
 * Whose account it is that somebody enters by a provider. The provider's subject decides; an address
 * does so once, and only where its owner has proven it on both sides: whoever merely typed an address
 * into a registration has no claim on it against who proves it (ASVS 6.8.1, R72–R76).
 */
export function createOwners({ limits, activation, newId }: Dependencies) {
  return {
    /**
     * The id of a user, whose row is locked.
     * @throws AppError `account_exists`, `email_required`, `unavailable` where two came at once
     */
    async findOrCreate(
      tx: Transaction,
      provider: Provider,
      profile: Profile,
      caller: Caller,
    ): Promise<string> {
      const { issuer } = provider
      const { subject } = profile
      if (subject.length < 1 || subject.length > 255) throw new AppError('provider_refused')
      const known = await tx.identities.find(issuer, subject)
      if (known !== undefined) {
        await tx.users.lock(known)
        // Somebody may have taken it away while we waited.
        if ((await tx.identities.find(issuer, subject)) !== known) throw new AppError('unavailable')
        return known
      }
      const arrival = { provider, profile, email: readEmail(profile), caller }
      const user_id = await ownerOf(tx, arrival)
      const email = arrival.email.text
      const isAdded = await tx.identities.add({ issuer, subject, user_id, email })
      if (!isAdded) throw new AppError('unavailable')
      await audit(tx, 'identity.linked', arrival, user_id)
      return user_id
    },
  }

  async function ownerOf(tx: Transaction, arrival: Arrival): Promise<string> {
    const { email, profile, provider } = arrival
    const holder = await tx.users.lockHolderOfEmail(email.canonical)
    if (!holder) return create(tx, arrival)
    if (!profile.email_verified) throw new AppError('account_exists')
    if (holder.email_verified) {
      const identities = await tx.identities.list(holder.user_id)
      // Another subject of the same provider: the address was passed on there.
      if (identities.some(({ issuer }) => issuer === provider.issuer)) {
        throw new AppError('account_exists')
      }
      await write(tx, 'identity_linked', arrival, holder.user_id)
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

  async function create(tx: Transaction, arrival: Arrival): Promise<string> {
    const { email, profile } = arrival
    const isReady = profile.email_verified || !activation
    const id = newId()
    const user = { id, name: readName(profile), gender: null, identifiers: [email] }
    const created = await tx.users.create({ ...user, password_hash: null, activated: isReady })
    if (!created) throw new AppError('unavailable')
    if (profile.email_verified) await tx.users.verify(id, 'email', email.canonical)
    await audit(tx, 'user.registered', arrival, id)
    if (!isReady && (await limits.mayWrite(email.canonical))) {
      await write(tx, 'activation', arrival, id)
    }
    return id
  }

  /** The account belongs to a proven mobile number, whose owner typed somebody else's address. */
  async function giveUpEmail(tx: Transaction, arrival: Arrival, { user_id }: Standing) {
    await tx.users.update(user_id, { identifiers: [{ kind: 'email', identifier: null }] })
    await revokeCodes(tx, user_id)
    await audit(tx, 'user.address_changed', arrival, user_id)
  }

  /** Nothing of the account was ever proven: all that gave access to it ends, and its owner moves in. */
  async function takeOver(tx: Transaction, arrival: Arrival, { user_id }: Standing) {
    await tx.users.setPassword(user_id, null)
    await tx.sessions.endAll(user_id)
    await tx.identities.removeAll(user_id)
    await revokeCodes(tx, user_id)
    await tx.users.update(user_id, { identifiers: [{ kind: 'mobile', identifier: null }] })
    await tx.users.verify(user_id, 'email', arrival.email.canonical)
    await write(tx, 'account_claimed', arrival, user_id)
    await audit(tx, 'user.claimed', arrival, user_id)
  }

  async function write(
    tx: Transaction,
    message: MessageName,
    { email }: Arrival,
    user_id: string,
  ): Promise<void> {
    await tx.outbox.put({ id: newId(), message, kind: 'email', address: email.text, user_id })
  }

  async function audit(
    tx: Transaction,
    event: 'identity.linked' | 'user.registered' | 'user.address_changed' | 'user.claimed',
    { caller, provider }: Arrival,
    user_id: string,
  ): Promise<void> {
    await tx.audit.add({ id: newId(), event, caller, user_id, detail: { provider: provider.name } })
  }
}

export type Owners = ReturnType<typeof createOwners>

/** @throws AppError `email_required` without one that we take */
function readEmail({ email = '' }: Profile): Identifier {
  try {
    return readIdentifier('email', email)
  } catch (cause) {
    throw new AppError('email_required', { cause })
  }
}

function readName({ name = '' }: Profile): string | null {
  return name.normalize('NFC').slice(0, 200).replace(/\p{C}/gu, '').trim() || null
}
