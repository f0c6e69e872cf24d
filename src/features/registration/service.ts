import type { Caller } from '../../http/caller.js'
import { askerOf } from '../codes/asker.js'
import type { CodeService } from '../codes/service.js'
import type { ProofBody } from '../codes/schemas.js'
import { AppError, invalidField, taken } from '../../errors.js'
import type { DeviceMarks, Owner } from '../limits/device.js'
import type { Counting, Limits } from '../limits/limits.js'
import { revokeCodes, type CodeRevocation } from '../messages/codes.js'
import { isClaimable } from '../identifiers/claimable.js'
import { endAccess, isOwnedBy, type AccessEnding } from '../users/claim.js'
import type { PasswordHasher } from '../passwords/hash.js'
import type { PasswordPolicy } from '../passwords/policy.js'
import type { OutboxRepository } from '../messages/repository.js'
import type { AuditRepository } from '../audit/repository.js'
import type { CodeRepository } from '../codes/repository.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import {
  addressKinds,
  identifierKinds,
  readIdentifier,
  type AddressKind,
  type Identifier,
} from '../identifiers/identifiers.js'
import { newProfile } from '../users/profile.js'
import type { NewUser, UserRepository } from '../users/repository.js'
import type { User } from '../users/schemas.js'
import { asIfCreated, textOf } from './as-if-created.js'
import { createClaims, type ClaimRepositories } from './claims.js'
import type { AddressBody, RegisterBody, ResetBody } from './schemas.js'

type Repositories = AccessEnding &
  ClaimRepositories &
  CodeRevocation &
  Counting & {
    audit: Pick<AuditRepository, 'add'>
    codes: Pick<CodeRepository, 'redeem'>
    outbox: Pick<OutboxRepository, 'put'>
    users: Pick<
      UserRepository,
      'create' | 'find' | 'findHolders' | 'get' | 'lock' | 'lockHolder' | 'setPassword' | 'verify'
    >
  }

type Dependencies = {
  store: UnitOfWork<Repositories>
  codes: CodeService
  passwords: PasswordHasher
  policy: PasswordPolicy
  limits: Limits
  devices: DeviceMarks
  /** How accounts are made where nothing else is said. */
  registration: Registration
  now: () => Date
  newId: () => string
}

export type Registration = { activation: boolean; discreet: boolean }

/** How an account comes to be, and how its owner gets back into it; all without a token. */
export function createAccountService(dependencies: Dependencies) {
  const { store, codes, passwords, policy, limits, devices, registration, now, newId } =
    dependencies
  const claims = createClaims({ store, limits, newId })

  return {
    /**
     * Makes an account from at least one identifier and a password, which may need `activation` by a
     * message. A `discreet` one answers the same for an address that is known as for a new one.
     * @throws AppError `validation_failed`, `weak_password`, `email_taken`, `username_taken`,
     *   `mobile_taken`, `overloaded`
     */
    async register(
      body: RegisterBody,
      caller: Caller,
      how: Registration = registration,
    ): Promise<User> {
      const { activation, discreet } = how
      const identifiers = identifierKinds.flatMap((kind) => {
        const typed = body[kind]
        return typed === undefined ? [] : [readIdentifier(kind, typed)]
      })
      const [address] = identifiers.filter(isAddress)
      if (identifiers.length === 0) {
        throw invalidField('email', 'is required, or a username, or a mobile number')
      }
      if (activation && !address) throw invalidField('email', 'is required, or a mobile number')
      const profile = newProfile(body)
      policy.check(body.password, [profile.name, ...identifiers.map(({ canonical }) => canonical)])
      const user: NewUser = {
        id: newId(),
        ...profile,
        identifiers,
        password_hash: await passwords.hash(body.password),
        activated: !activation,
      }
      const registered = store.transaction(async (tx) => {
        const created = await tx.users.create(user)
        const isNew = created !== undefined
        if (isNew && activation && address) {
          const { kind, text } = address
          const message = 'activation'
          const asker = askerOf(caller)
          await tx.outbox.put({
            message,
            kind,
            address: text,
            user_id: user.id,
            asker,
          })
        }
        const user_id = isNew ? user.id : await answerAlike(tx, user, discreet)
        const event = isNew ? 'user.registered' : 'user.registered_again'
        await tx.audit.add({ event, caller, user_id })
        return created ?? asIfCreated(user, now())
      })
      return registered.catch(async (error: unknown) => {
        const isHeld = error instanceof AppError && /^(email|mobile)_taken$/.test(error.code)
        if (isHeld) await claims.offer(identifiers)
        throw error
      })
    },

    /** Activates the account that a code or link was sent for. @throws AppError `invalid_code` */
    async activate(proof: ProofBody, caller: Caller): Promise<User> {
      const code = await codes.prove(['activation'], proof, caller)
      return store.transaction(async (tx) => {
        const { user_id, kind, address_canonical } = code
        await tx.users.lock(user_id)
        const isMine = await tx.codes.redeem(code.id)
        if (!isMine || !(await tx.users.verify(user_id, kind, address_canonical))) {
          throw new AppError('invalid_code')
        }
        await tx.audit.add({ event: 'user.activated', caller, user_id })
        return tx.users.get(user_id)
      })
    },

    /** Sends the activation message again, if an account waits for it; nobody learns whether. */
    resend: (body: AddressBody, caller: Caller): Promise<void> => write('activation', body, caller),

    /** Sends a message to reset the password, if there is an account; nobody learns whether. */
    forgot: (body: AddressBody, caller: Caller): Promise<void> =>
      write('password_reset', body, caller),

    /**
     * Sets a new password by a code or link, and ends every session. It proves the address too, so an
     * account that waited for activation is activated, and every address that was never proven goes: one
     * that nobody had proven belongs to who has the message. It does not log in. A code that claims an
     * address makes an account instead. `device` marks the browser, for its login.
     * @throws AppError `invalid_code`, `weak_password`, `overloaded`
     */
    async reset(
      { new_password, ...proof }: ResetBody,
      caller: Caller,
    ): Promise<{ device: string }> {
      const code = await codes.prove(['password_reset', 'address_claim'], proof, caller)
      const { user_id, kind, address, address_canonical } = code
      const isClaim = code.purpose === 'address_claim'
      const user = await store.users.find(user_id)
      if (!user) throw new AppError('invalid_code')
      const names = isClaim ? [address] : [user.name, user.username, user.email, user.mobile]
      policy.check(new_password, names, 'new_password')
      const hash = await passwords.hash(new_password)
      if (isClaim)
        return welcome({ id: await claims.redeem(code, hash, caller), version: 0 }, caller)
      const version = await store.transaction(async (tx) => {
        const holder = await tx.users.lockHolder(kind, address_canonical)
        // Another address may have been proven since the message was sent.
        const isOwner = holder?.user_id === user_id && isOwnedBy(kind, holder)
        if (!isOwner || !(await tx.codes.redeem(code.id))) throw new AppError('invalid_code')
        await tx.users.verify(user_id, kind, address_canonical)
        const changed = await tx.users.setPassword(user_id, hash)
        await limits.forgetMessages(tx, 'password_reset', address_canonical)
        await endAccess(tx, kind, holder)
        await tx.outbox.put({ message: 'password_changed', kind, address, user_id })
        await tx.audit.add({ event: 'password.reset', caller, user_id })
        return changed
      })
      return welcome({ id: user_id, version }, caller)
    },
  }

  /** The owner has proved an address: guesses of others no longer hold up this browser or network. */
  async function welcome(owner: Owner, { address }: Caller): Promise<{ device: string }> {
    await limits.guesses.welcome(owner, address)
    return { device: devices.make(owner) }
  }

  /**
   * What becomes of a registration whose address somebody has. Where two registrations wait for one
   * address, nobody can tell whose password is the owner's: the account loses it, and the message
   * asks its reader to choose one. A username is public, and so is that it is taken.
   * @returns the id of the account that was there
   */
  async function answerAlike(
    tx: Repositories,
    { identifiers }: NewUser,
    discreet: boolean,
  ): Promise<string> {
    const holders = await tx.users.findHolders(identifiers)
    const [holder] = holders
    if (!holder) throw new AppError('unavailable')
    const name = holders.find(({ kind }) => kind === 'username')
    if (name || !discreet) throw taken((name ?? holder).kind)
    const { user_id } = holder
    // Whoever registers others' addresses over and over does not fill their mailboxes: those messages
    // that were sent still work.
    const { canonical } = identifiers.find(({ kind }) => kind === holder.kind) ?? { canonical: '' }
    if (!(await limits.mayWrite(tx, 'registration', canonical))) return user_id
    const to = { kind: holder.kind as AddressKind, address: textOf(holder.kind, identifiers) }
    if (isClaimable(holder)) {
      await tx.outbox.put({ message: 'address_claim', ...to, user_id })
    } else if (holder.activated) {
      await tx.outbox.put({ message: 'already_registered', ...to })
    } else {
      await tx.users.lock(user_id)
      await tx.users.setPassword(user_id, null)
      await revokeCodes(tx, user_id)
      await tx.outbox.put({ message: 'choose_password', ...to, user_id })
    }
    return user_id
  }

  /** One row for any address: who has it, if anybody, is found when it is sent. */
  async function write(
    message: 'activation' | 'password_reset',
    body: AddressBody,
    caller: Caller,
  ): Promise<void> {
    const { kind, text } = theAddress(body)
    const asker = askerOf(caller)
    await store.outbox.put({ message, kind, address: text, asker })
  }
}

export type AccountService = ReturnType<typeof createAccountService>

type Address = Identifier & { kind: AddressKind }

const isAddress = (identifier: Identifier): identifier is Address => identifier.kind !== 'username'

function theAddress(body: AddressBody): Address {
  const [kind, second] = addressKinds.filter((name) => body[name] !== undefined)
  if (kind === undefined) throw invalidField('email', 'is required, or a mobile number')
  if (second !== undefined) throw invalidField(second, 'is one address too many')
  return readIdentifier(kind, body[kind] ?? '') as Address
}
