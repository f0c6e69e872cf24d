import { isActor, type Actor, type Caller } from '../../http/caller.js'
import { AppError } from '../../errors.js'
import type { Login } from '../sessions/logins.js'
import type { IdentityRepository } from './repository.js'
import type { IdentityService } from './identities.js'
import type { Provider } from './provider.js'
import type { Transaction, Transactions } from './transactions.js'

type Repositories = {
  identities: Pick<IdentityRepository, 'spend'>
}

type Dependencies = {
  store: Repositories
  providers: Provider[]
  transactions: Transactions
  identities: IdentityService
}

/** Where the browser goes, and what it keeps meanwhile. */
export type Begun = { url: URL; sealed: string }

/** What came of it: a new session, or one that was connected. */
export type Finished = { next: string | undefined; login?: Login }

/** The way to a provider and back (RFC 6749 §4.1, with RFC 9700's precautions). */
export function createSocialService(dependencies: Dependencies) {
  const { store, providers, transactions, identities } = dependencies

  return {
    /** @throws AppError `not_found`, `provider_failed` */
    async begin(name: string, next: string | undefined): Promise<Begun> {
      // A longer one would make a cookie that browsers drop.
      const isShort = Buffer.byteLength(JSON.stringify(next ?? '')) <= 2_000
      return start(requireProvider(name), next !== undefined && isShort ? { next } : {})
    },

    /**
     * The same for who is signed in and wants to sign in that way too.
     * @throws AppError `not_found`, `provider_failed`, `reauthentication_required`, `invalid_credentials`
     */
    async beginConnecting(name: string, caller: Actor, password?: string): Promise<Begun> {
      const provider = requireProvider(name)
      await identities.requireMayChange(caller, password)
      return start(provider, { session_id: caller.session_id })
    },

    /**
     * Finishes what the browser brings back: its sealed transaction, and the URL that the provider
     * sent it to. `caller` is who is signed in, if anybody. A transaction comes back once.
     * @throws AppError `not_found`, `invalid_state`, `provider_refused`, `provider_failed`, and those of
     *   identities.ts
     */
    async finish(
      name: string,
      callback: URL,
      sealed: string | undefined,
      caller: Caller,
    ): Promise<Finished> {
      const provider = requireProvider(name)
      const transaction = await take(sealed)
      const { next, session_id, state } = transaction
      const isMine = transaction.provider === name && state === callback.searchParams.get('state')
      if (!isMine) throw new AppError('invalid_state')
      if (session_id === undefined) {
        const profile = await provider.identify(callback, transaction)
        return { next, login: await identities.signIn(provider, profile, caller) }
      }
      if (!isActor(caller) || caller.session_id !== session_id) throw new AppError('invalid_state')
      const profile = await provider.identify(callback, transaction)
      await identities.connect(provider, profile, caller)
      return { next: '/welcome' }
    },
  }

  async function start(
    provider: Provider,
    how: Pick<Transaction, 'next' | 'session_id'>,
  ): Promise<Begun> {
    const { transaction, sealed } = transactions.begin({ provider: provider.name, ...how })
    return { url: await provider.authorizationUrl(transaction), sealed }
  }

  async function take(sealed = ''): Promise<Transaction> {
    const transaction = transactions.open(sealed)
    if (!transaction || !(await store.identities.spend(transaction.id, transaction.expires_at))) {
      throw new AppError('invalid_state')
    }
    return transaction
  }

  function requireProvider(name: string): Provider {
    const provider = providers.find((one) => one.name === name)
    if (!provider) throw new AppError('not_found')
    return provider
  }
}

export type SocialService = ReturnType<typeof createSocialService>
