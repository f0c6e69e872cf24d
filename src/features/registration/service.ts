import type { Admission } from '../admission/service.js'
import type { Clock } from '../../concurrency/clock.js'
import type { Caller } from '../../http/caller.js'
import { askerOf } from '../codes/asker.js'
import type { CodeService } from '../codes/service.js'
import type { ProofBody } from '../codes/schemas.js'
import { AppError, invalidField, taken } from '../../errors.js'
import type { UsableInvitation } from '../invitations/repository.js'
import type { InvitationService, InvitationUse } from '../invitations/service.js'
import type { RoleGrant, RoleService } from '../roles/service.js'
import type { DeviceMarks } from '../limits/device.js'
import type { Limits } from '../limits/limits.js'
import { revokeCodes, type CodeRepositories } from '../messages/codes.js'
import { isClaimable } from '../identifiers/claimable.js'
import type { PasswordHasher } from '../passwords/hash.js'
import type { PasswordPolicy } from '../passwords/policy.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import {
  addressKinds,
  faultsOfNone,
  identifierKinds,
  isAddress,
  readIdentifiers,
  type AddressKind,
  type Identifier,
} from '../identifiers/identifiers.js'
import { faultsOfProfile, newProfile } from '../users/profile.js'
import type { NewUser, UserRepository } from '../users/repository.js'
import type { User } from '../users/schemas.js'
import { asIfCreated, textOf } from './as-if-created.js'
import { createClaims, type ClaimRepositories } from './claims.js'
import { createRecovery, type RecoveryRepositories } from './recovery.js'
import type { RegisterBody } from './schemas.js'

type Repositories = ClaimRepositories &
  CodeRepositories &
  InvitationUse &
  RecoveryRepositories &
  RoleGrant & {
    users: Pick<
      UserRepository,
      'create' | 'findHolders' | 'get' | 'lock' | 'setPassword' | 'verify'
    >
  }

type Dependencies = {
  store: UnitOfWork<Repositories>
  admission: Admission
  invitations: Pick<InvitationService, 'admit' | 'redeem'>
  roles: Pick<RoleService, 'grantIn'>
  codes: CodeService
  passwords: PasswordHasher
  policy: PasswordPolicy
  limits: Limits
  devices: DeviceMarks
  /** The rules unless register() is called with others. */
  registration: RegistrationRules
  clock: Clock
  newId: () => string
}

export type RegistrationRules = {
  /** A new account must be activated by a message. */
  activation: boolean
  /** The reply is the same for a new address and for a taken one. */
  discreet: boolean
}

/** Registration, activation and password reset. None of them needs an access token. */
export function createAccountService(dependencies: Dependencies) {
  const { store, admission, invitations, roles, codes, passwords, policy, limits } = dependencies
  const { devices, registration, clock, newId } = dependencies
  const claims = createClaims({ store, admission, limits, newId })

  return {
    /**
     * Creates an account with at least one identifier and a password. An invitation that was sent to an address
     * also proves it, so the account needs no activation. An existing account gets nothing from an invitation.
     * @throws AppError `validation_failed`, `weak_password`, `email_taken`, `username_taken`,
     *   `mobile_taken`, `overloaded`, `registration_closed`, `invitation_required`, `invalid_invitation`,
     *   `domain_not_allowed`
     */
    async register(
      { invitation: token, ...body }: RegisterBody,
      caller: Caller,
      rules: RegistrationRules = registration,
    ): Promise<User> {
      const { activation } = rules
      const invitation = await invitations.admit(token)
      const { identifiers, faults } = readIdentifiers(body)
      admission.requireAccepted(identifiers)
      if (invitation) requireInvited(invitation, identifiers)
      const proven = invitation?.is_proof
        ? identifiers.find(({ kind }) => kind === invitation.kind)
        : undefined
      const needsActivation = activation && !proven
      const discreet = rules.discreet && !proven
      const [address] = identifiers.filter(isAddress)
      const profile = newProfile(body)
      const missing = faultsOfNone(activation ? addressKinds : identifierKinds, body)
      await policy.check(
        body.password,
        [profile.name, ...identifiers.map(({ canonical }) => canonical)],
        {
          others: [
            ...faultsOfProfile(body),
            ...faults,
            ...missing,
            ...admission.faultsOf(identifiers),
          ],
        },
      )
      const user: NewUser = {
        id: newId(),
        ...profile,
        identifiers,
        password_hash: await passwords.hash(body.password),
        activated: !needsActivation,
      }
      const registered = store.transaction(async (tx) => {
        const redeemed = token === undefined ? undefined : await invitations.redeem(tx, token)
        if (proven && isAddress(proven))
          await claims.free(tx, { ...proven, address_canonical: proven.canonical }, caller)
        const created = await tx.users.create(user)
        const isNew = created !== undefined
        if (isNew && needsActivation && address) {
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
        const user_id = isNew ? user.id : await handleTaken(tx, user, discreet)
        const event = isNew ? 'user.registered' : 'user.registered_again'
        const detail: Record<string, string> = redeemed ? { invitation: redeemed.id } : {}
        await tx.audit.add({ event, caller, user_id, detail })
        if (!isNew) return asIfCreated(user, new Date(clock.now()))
        if (!redeemed) return created
        if (proven && isAddress(proven))
          await tx.users.verify(user_id, proven.kind, proven.canonical)
        for (const name of redeemed.roles) await roles.grantIn(tx, caller, user_id, name)
        return tx.users.get(user_id)
      })
      return registered.catch(async (error: unknown) => {
        // A claim would create an account beside the one of the invitation.
        const isTaken =
          admission.isOpen && error instanceof AppError && /^(email|mobile)_taken$/.test(error.code)
        if (isTaken) await claims.offer(identifiers)
        throw error
      })
    },

    /** Activates an account with the code or link that was sent. @throws AppError `invalid_code` */
    async activate(proof: ProofBody, caller: Caller): Promise<User> {
      const code = await codes.verify(['activation'], proof, caller)
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

    /** The address of an invitation, if it is for one. @throws AppError as `register` */
    async findInvited(
      token: string | undefined,
    ): Promise<{ kind: AddressKind; address: string } | undefined> {
      const { kind = null, address = null } = (await invitations.admit(token)) ?? {}
      return kind === null || address === null ? undefined : { kind, address }
    },

    ...createRecovery({ store, codes, passwords, policy, limits, devices, claims }),
  }

  /**
   * Handles a registration whose identifier is taken. A discreet registration sends a message to the address
   * instead of an error. If the existing account is not activated, it is unknown which of the two passwords is
   * the owner's: the account loses its password, and the message lets the owner choose one. A taken username
   * is always an error, because usernames are public.
   * @returns the id of the existing account
   */
  async function handleTaken(
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
    // Limits the messages to one address, so that repeated registrations cannot flood a mailbox.
    const { canonical } = identifiers.find(({ kind }) => kind === holder.kind) ?? { canonical: '' }
    if (!(await limits.maySend(tx, 'registration', canonical))) return user_id
    const to = { kind: holder.kind as AddressKind, address: textOf(holder.kind, identifiers) }
    if (isClaimable(holder) && admission.isOpen) {
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
}

export type AccountService = ReturnType<typeof createAccountService>

/** @throws AppError `validation_failed` unless the account has the invited address */
function requireInvited(
  { kind, address_canonical }: UsableInvitation,
  identifiers: Identifier[],
): void {
  if (kind === null) return
  const isInvited = identifiers.some(
    (one) => one.kind === kind && one.canonical === address_canonical,
  )
  if (!isInvited) throw invalidField(kind, 'must be the invited one')
}
