import type { Actor } from '../../http/caller.js'
import { AppError } from '../../errors.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import type { AuditRepository } from '../audit/repository.js'
import { needsFactor, type FactorMode } from '../factors/policy.js'
import type { FactorRepository } from '../factors/repository.js'
import type { IdentityRepository } from '../identities/repository.js'
import type { OutboxRepository } from '../messages/repository.js'
import type { Reauthentication } from '../passwords/reauthentication.js'
import { addressFor } from '../users/addresses.js'
import type { User } from '../users/schemas.js'
import type { UserRepository } from '../users/repository.js'
import { algorithms, type Ceremonies, type RelyingParty } from './ceremonies.js'
import { challengeLifetime, type PasskeyChallenges } from './challenges.js'
import { handleOf } from './logins.js'
import { nameOf } from './names.js'
import type { PasskeyRepository } from './repository.js'
import type { CreationOptions, Passkey, PasskeyBody } from './schemas.js'

type Repositories = {
  audit: Pick<AuditRepository, 'add'>
  factors: Pick<FactorRepository, 'findTotp'>
  identities: Pick<IdentityRepository, 'list' | 'spend'>
  outbox: Pick<OutboxRepository, 'put'>
  passkeys: PasskeyRepository
  users: Pick<UserRepository, 'findCredentialById' | 'get' | 'lock'>
}

type Dependencies = {
  store: UnitOfWork<Repositories>
  reauthentication: Reauthentication
  rp: RelyingParty
  challenges: PasskeyChallenges
  ceremonies: Ceremonies
  appName: string
  mode: FactorMode
  /** The issuers of the providers that users can log in with. */
  issuers: string[]
  newId: () => string
  /** Names an account to its authenticator. */
  labelOf: (user: User) => string
}

/** The most passkeys of a user. */
const perUser = 20

/** The passkeys of a user: to list, add, rename and remove them. Each change is audited, and mailed but for a new name. */
export function createPasskeyService(dependencies: Dependencies) {
  const { store, reauthentication, rp, challenges, ceremonies, appName, mode } = dependencies
  const { issuers, newId, labelOf } = dependencies

  return {
    list: (userId: string): Promise<Passkey[]> => store.passkeys.list(userId),

    /**
     * What the browser needs to make a passkey.
     * @throws AppError `reauthentication_required`, `passkey_limit`
     */
    async begin(caller: Actor): Promise<CreationOptions> {
      await reauthentication.byRecentLogin(caller)
      const user = await store.users.get(caller.user_id)
      const present = await store.passkeys.listDescriptors(user.id)
      if (present.length >= perUser) throw new AppError('passkey_limit')
      const name = labelOf(user)
      return {
        challenge: challenges.make('register', caller.session_id),
        timeout: challengeLifetime * 1_000,
        rp: { id: rp.id, name: appName },
        user: { id: handleOf(user.id), name, displayName: user.name ?? name },
        pubKeyCredParams: algorithms.map((alg) => ({ type: 'public-key', alg })),
        excludeCredentials: present.map(({ credential_id, transports }) => ({
          type: 'public-key',
          id: credential_id.toString('base64url'),
          transports,
        })),
        authenticatorSelection: { residentKey: 'preferred', userVerification: 'preferred' },
        attestation: 'none',
        extensions: { credProps: true },
      }
    },

    /** @throws AppError `reauthentication_required`, `invalid_passkey`, `passkey_limit`, `passkey_taken` */
    async add(caller: Actor, { credential, name }: PasskeyBody): Promise<Passkey> {
      await reauthentication.byRecentLogin(caller)
      const { user_id, session_id: scope } = caller
      const expected = { purpose: 'register' as const, scope }
      const { challenge, passkey } = await ceremonies.readNew(credential, expected)
      return store.transaction(async (tx) => {
        const user = await tx.users.lock(user_id)
        if (!(await tx.identities.spend(challenge.id, challenge.expires_at))) {
          throw new AppError('invalid_passkey')
        }
        const present = await tx.passkeys.list(user_id)
        if (present.length >= perUser) throw new AppError('passkey_limit')
        const added = await tx.passkeys.add({
          ...passkey,
          id: newId(),
          user_id,
          name: name ?? freeName(nameOf(passkey.aaguid, passkey.transports), present),
        })
        if (!added) throw new AppError('passkey_taken')
        const detail = { passkey: added.id, name: added.name }
        await tx.audit.add({ event: 'passkey.added', caller, user_id, detail })
        await notify(tx, 'passkey_added', user)
        return added
      })
    },

    /** @throws AppError `not_found` */
    async rename(caller: Actor, id: string, name: string): Promise<Passkey> {
      const { user_id } = caller
      return store.transaction(async (tx) => {
        const renamed = await tx.passkeys.rename(user_id, id, name)
        if (!renamed) throw new AppError('not_found')
        const detail = { passkey: renamed.id, name }
        await tx.audit.add({ event: 'passkey.renamed', caller, user_id, detail })
        return renamed
      })
    },

    /** @throws AppError `reauthentication_required`, `not_found`, `last_login_method`, `factor_required` */
    async remove(caller: Actor, id: string): Promise<void> {
      await reauthentication.byRecentLogin(caller)
      const { user_id } = caller
      await store.transaction(async (tx) => {
        const user = await tx.users.lock(user_id)
        if (!(await tx.passkeys.remove(user_id, id))) throw new AppError('not_found')
        await requireWayIn(tx, user_id)
        await requireFactor(tx, user)
        await tx.audit.add({ event: 'passkey.removed', caller, user_id, detail: { passkey: id } })
        await notify(tx, 'passkey_removed', user)
      })
    },
  }

  async function requireWayIn(tx: Repositories, userId: string): Promise<void> {
    if ((await tx.users.findCredentialById(userId))?.password_hash) return
    if (await tx.passkeys.isWayIn(userId)) return
    const identities = await tx.identities.list(userId)
    if (!identities.some(({ issuer }) => issuers.includes(issuer))) {
      throw new AppError('last_login_method')
    }
  }

  async function requireFactor(tx: Repositories, { id, roles }: User): Promise<void> {
    if (!needsFactor(mode, roles) || (await tx.passkeys.has(id))) return
    if (!(await tx.factors.findTotp(id))?.secret) throw new AppError('factor_required')
  }
}

export type PasskeyService = ReturnType<typeof createPasskeyService>

/** Tells the user that a passkey was added or removed. */
async function notify(
  { outbox }: Pick<Repositories, 'outbox'>,
  message: 'passkey_added' | 'passkey_removed',
  user: User,
): Promise<void> {
  const to = addressFor(user)
  if (to) await outbox.put({ message, ...to, user_id: user.id })
}

/** A second passkey of one kind gets a number, so that the user can tell them apart. */
function freeName(name: string, present: Passkey[]): string {
  const isTaken = (text: string) => present.some((one) => one.name === text)
  if (!isTaken(name)) return name
  let number = 2
  while (isTaken(`${name} ${String(number)}`)) number += 1
  return `${name} ${String(number)}`
}
