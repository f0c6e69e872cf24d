import { isActor, type Actor, type Caller } from '../../http/caller.js'
import { AppError } from '../../errors.js'
import type { LoginOutcome } from '../sessions/logins.js'
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

/** The URL of the provider, and the encrypted transaction for a cookie. */
export type LoginStart = { url: URL; sealed: string }

/** `login` is the new session; undefined if the provider was connected to an existing account. */
export type LoginResult = { next: string | undefined; login?: LoginOutcome }

/** The authorization code flow with a provider (RFC 6749 §4.1, RFC 9700). */
export function createSocialService(dependencies: Dependencies) {
  const { store, providers, transactions, identities } = dependencies

  return {
    /** @throws AppError `not_found`, `provider_failed` */
    async begin(
      name: string,
      next: string | undefined,
      { isAgain = false, invitation }: { isAgain?: boolean; invitation?: string | undefined } = {},
    ): Promise<LoginStart> {
      // Browsers drop cookies over 4 KB, and `next` is part of the cookie.
      const isShort = Buffer.byteLength(JSON.stringify(next ?? '')) <= 2_000
      const purpose = {
        ...(next !== undefined && isShort && { next }),
        ...(invitation !== undefined && { invitation }),
      }
      return start(requireProvider(name), purpose, isAgain)
    },

    /** Where a login that has failed was to lead to. Undefined if it is unknown. */
    nextOf: (sealed: string | undefined): string | undefined =>
      sealed === undefined ? undefined : transactions.open(sealed)?.next,

    /**
     * Starts to connect a provider to the account of the signed-in user.
     * @throws AppError `not_found`, `provider_failed`, `reauthentication_required`, `invalid_credentials`
     */
    async beginConnecting(name: string, caller: Actor, password?: string): Promise<LoginStart> {
      const provider = requireProvider(name)
      await identities.requireMayChange(caller, password)
      return start(provider, { session_id: caller.session_id })
    },

    /**
     * Finishes a login or a connection. A transaction can be used once.
     * @param callback the URL to which the provider redirected the browser
     * @param sealed the transaction from the cookie
     * @throws AppError `not_found`, `invalid_state`, `provider_refused`, `provider_failed`, and the errors of
     *   `signIn` and `connect` (identities.ts)
     */
    async finish(
      name: string,
      callback: URL,
      sealed: string | undefined,
      caller: Caller,
    ): Promise<LoginResult> {
      const provider = requireProvider(name)
      const transaction = await take(sealed)
      const { next, invitation, session_id, state } = transaction
      const matches = transaction.provider === name && state === callback.searchParams.get('state')
      if (!matches) throw new AppError('invalid_state')
      if (session_id === undefined) {
        const profile = await provider.identify(callback, transaction)
        return { next, login: await identities.signIn(provider, profile, caller, invitation) }
      }
      if (!isActor(caller) || caller.session_id !== session_id) throw new AppError('invalid_state')
      const profile = await provider.identify(callback, transaction)
      await identities.connect(provider, profile, caller)
      return { next: '/welcome' }
    },
  }

  async function start(
    provider: Provider,
    purpose: Pick<Transaction, 'next' | 'invitation' | 'session_id'>,
    isAgain = false,
  ): Promise<LoginStart> {
    const { transaction, sealed } = transactions.begin({ provider: provider.name, ...purpose })
    return { url: await provider.authorizationUrl(transaction, isAgain), sealed }
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
