import type { Actor, Caller } from '../../http/caller.js'
import type { AuditEvent } from '../audit/schemas.js'
import { AppError } from '../../errors.js'
import type { Reauthentication } from '../passwords/reauthentication.js'
import type { LoginOutcome, Logins, SessionOpening } from '../sessions/logins.js'
import type { UserRepository } from '../users/repository.js'
import type { SessionRepository } from '../sessions/repository.js'
import type { IdentityRepository } from './repository.js'
import type { OutboxRepository } from '../messages/repository.js'
import type { AuditRepository } from '../audit/repository.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import { addressFor } from '../users/addresses.js'
import type { OwnerSearch, Owners } from './owners.js'
import type { Profile, Provider } from './provider.js'
import type { Identity } from './schemas.js'

type Repositories = OwnerSearch &
  SessionOpening & {
    audit: Pick<AuditRepository, 'add'>
    identities: Pick<IdentityRepository, 'add' | 'find' | 'list' | 'remove'>
    outbox: Pick<OutboxRepository, 'put'>
    passkeys: { isWayIn: (userId: string) => Promise<boolean> }
    sessions: Pick<SessionRepository, 'find'>
    users: Pick<UserRepository, 'findCredentialById' | 'get' | 'lock'>
  }

type Dependencies = {
  store: UnitOfWork<Repositories>
  logins: Logins
  reauthentication: Reauthentication
  owners: Owners
  providers: Provider[]
}

/** Accounts of users at providers: log in with one, connect one, disconnect one. */
export function createIdentityService(dependencies: Dependencies) {
  const { store, logins, reauthentication, owners, providers } = dependencies

  return {
    /**
     * Opens a session for the user whom the provider identified. The first login creates the user.
     * @throws AppError `invalid_credentials`, `activation_required`, `account_exists`,
     *   `email_required`, `unavailable`, and those of a registration (owners.ts)
     */
    async signIn(
      provider: Provider,
      profile: Profile,
      caller: Caller,
      invitation?: string,
    ): Promise<LoginOutcome> {
      const logIn = () => openSession(provider, profile, caller, invitation)
      // When two first logins of one user run at once, one fails. The retry finds the account of the other.
      const { found, opened } = await logIn().catch((error: unknown) => {
        if (error instanceof AppError && error.code === 'unavailable' && !error.cause)
          return logIn()
        throw error
      })
      if (opened) return logins.complete(opened)
      const needsActivation = found && !found.activated && !found.disabled
      throw new AppError(needsActivation ? 'activation_required' : 'invalid_credentials')
    },

    /** @throws AppError `identity_taken`, or `invalid_state` if the user has logged out since the start */
    async connect(provider: Provider, profile: Profile, caller: Actor): Promise<void> {
      const { user_id } = caller
      const { issuer } = provider
      const { subject, email = null } = profile
      await store.transaction(async (tx) => {
        await tx.users.lock(user_id)
        // The session may have ended while Gatehouse waited for the provider.
        const session = await tx.sessions.find(caller.session_id, user_id)
        if (!session) throw new AppError('invalid_state')
        if ((await tx.identities.find(issuer, subject)) === user_id) return
        await owners.verifyEmail(tx, user_id, profile)
        if (!(await tx.identities.add({ issuer, subject, user_id, email }))) {
          throw new AppError('identity_taken')
        }
        const to = addressFor(await tx.users.get(user_id))
        const message = 'identity_linked'
        if (to) await tx.outbox.put({ message, ...to, user_id })
        await audit(tx, 'identity.linked', caller, user_id, provider)
      })
    },

    /**
     * @throws AppError `not_found`, `last_login_method`, `reauthentication_required`,
     *   `invalid_credentials`, `rate_limited`
     */
    async disconnect(name: string, caller: Actor, password?: string): Promise<void> {
      const provider = providers.find((one) => one.name === name)
      if (!provider) throw new AppError('not_found')
      await reauthentication.byPasswordOrRecentLogin(caller, password)
      const { user_id } = caller
      await store.transaction(async (tx) => {
        await tx.users.lock(user_id)
        if (!(await tx.identities.remove(user_id, provider.issuer))) throw new AppError('not_found')
        const found = await tx.users.findCredentialById(user_id)
        const others = await tx.identities.list(user_id)
        const isUsable = ({ issuer }: { issuer: string }) =>
          providers.some((one) => one.issuer === issuer)
        const hasOther = found?.password_hash != null || others.some(isUsable)
        if (!hasOther && !(await tx.passkeys.isWayIn(user_id))) {
          throw new AppError('last_login_method')
        }
        await audit(tx, 'identity.unlinked', caller, user_id, provider)
      })
    },

    async list(userId: string): Promise<Identity[]> {
      const found = await store.identities.list(userId)
      return found.map(({ issuer, ...identity }) => ({
        provider: providers.find((one) => one.issuer === issuer)?.name ?? issuer,
        ...identity,
      }))
    },

    /** @throws AppError `reauthentication_required`, `invalid_credentials`, `rate_limited` */
    requireMayChange: (caller: Actor, password?: string): Promise<void> =>
      reauthentication.byPasswordOrRecentLogin(caller, password),
  }

  async function openSession(
    provider: Provider,
    profile: Profile,
    caller: Caller,
    invitation?: string,
  ) {
    return store.transaction(async (tx) => {
      const id = await owners.findOrCreate(tx, provider, profile, caller, invitation)
      const found = await tx.users.findCredentialById(id)
      const mayLogIn = found?.activated && !found.disabled
      const detail = { provider: provider.name }
      const opened = mayLogIn ? await logins.open(tx, found, caller, { detail }) : undefined
      if (!opened) await audit(tx, 'login.failed', caller, id, provider)
      return { found, opened }
    })
  }

  async function audit(
    tx: Repositories,
    event: AuditEvent,
    caller: Caller,
    user_id: string,
    { name }: Provider,
  ): Promise<void> {
    await tx.audit.add({ event, caller, user_id, detail: { provider: name } })
  }
}

export type IdentityService = ReturnType<typeof createIdentityService>
