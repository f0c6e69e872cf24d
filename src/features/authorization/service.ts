import { ownClientId } from '@gatehouse/verify/protocol'
import type { Actor, Caller } from '../../http/caller.js'
import { hashSecret, newSecret } from '../../crypto/secrets.js'
import type { UnitOfWork } from '../../db/unit-of-work.js'
import { AppError, invalidField } from '../../errors.js'
import type { Client } from '../clients/repository.js'
import type { ClientService } from '../clients/service.js'
import type { SessionRepository } from '../sessions/repository.js'
import type { HostToken, TokenPair, TokenService } from '../tokens/service.js'
import type { LoginMarks } from './login-marks.js'
import { createCodeExchange } from './exchange.js'
import type { Exchange, ExchangeDependencies, Exchanger } from './exchange.js'
import type { AuthorizationRepository } from './repository.js'
import { readOnce, readRequest, type AuthorizationError } from './request.js'

type Repositories = {
  authorizations: Pick<AuthorizationRepository, 'add'>
  sessions: Pick<SessionRepository, 'find'>
}

type Dependencies = ExchangeDependencies & {
  store: UnitOfWork<Repositories>
  clients: Pick<ClientService, 'find'>
  tokens: TokenService
  marks: LoginMarks
  issuer: string
  /** The hosts of apps behind forward-auth, by the redirect URI of each. */
  hosts: ReadonlyMap<string, string>
}

/** No client is named `gatehouse`, and the token endpoint gets no request from it. */
const gatehouse = { id: '00000000-0000-0000-0000-000000000000', name: ownClientId }

/** Where the browser goes: back to the client, or to the login page, which leads to `next` afterwards. */
export type AuthorizationAnswer = { redirect: string } | { next: string; isAgain: boolean }

/** How long a code is valid, in seconds (RFC 6749 §4.1.2). */
const codeTtl = 60

const markName = 'login_mark'

/** RFC 7636 §4.1. */
const isVerifier = /^[A-Za-z0-9._~-]{43,128}$/

/** Gives apps on other hosts a session of their own, by the authorization code flow with PKCE (RFC 6749 §4.1). */
export function createAuthorizationService(dependencies: Dependencies) {
  const { store, clients, tokens, marks, issuer, hosts } = dependencies
  const redeem = createCodeExchange(dependencies)

  return {
    /**
     * Answers an authorization request of a browser. Faults that the client must know of are part of the redirect.
     * @param findActor finds the user of the browser; called only for a valid request
     * @param isUsableNext whether the login page can lead back to a path
     * @throws AppError `validation_failed` unless the client is known and its redirect URI registered: then
     *   the browser must not be redirected (RFC 6749 §4.1.2.1)
     */
    async authorize(
      query: URLSearchParams,
      findActor: () => Promise<Actor | undefined>,
      isUsableNext: (path: string) => boolean,
    ): Promise<AuthorizationAnswer> {
      const { client, redirect_uri } = await proveClient(query)
      const { parameters, state, code_challenge, prompt, maxAge, needsFactor, fault } =
        readRequest(query)
      const answer = (result: Record<string, string>) => ({
        redirect: withParameters(redirect_uri, {
          ...result,
          ...(state !== undefined && { state }),
          iss: issuer,
        }),
      })
      const refuse = (error: AuthorizationError, error_description: string) =>
        answer({ error, error_description })
      if (fault) return refuse(fault.error, fault.description)

      const text = new URLSearchParams(parameters as Record<string, string>).toString()
      const session = await findSession(await findActor())
      const lacksFactor = needsFactor && session?.hasFactor === false
      const isTooOld = maxAge !== undefined && isOlder(session, maxAge)
      const wantsLogin = prompt === 'login' || isTooOld || lacksFactor
      const mark = readOnce(query, markName)
      const isMet = session && (!wantsLogin || marks.isMet(mark, text, session))
      // The user has logged in again, and has none.
      if (isMet && lacksFactor)
        return refuse('unmet_authentication_requirements', 'the user has no second factor')
      if (isMet) {
        const code = newSecret()
        const { id: session_id, user_id } = session
        const binding = { code_hash: hashSecret(code), client_id: client.id, redirect_uri }
        await store.authorizations.add({ ...binding, code_challenge, user_id, session_id }, codeTtl)
        return answer({ code })
      }
      if (prompt === 'none') return refuse('login_required', 'the user has to log in')
      const needsMark = prompt === 'login' || maxAge !== undefined || needsFactor
      const marked: Record<string, string> = needsMark
        ? { [markName]: marks.make(text, session?.id ?? null) }
        : {}
      const next = withParameters(`/oauth/authorize?${text}`, marked)
      if (!isUsableNext(next)) return refuse('invalid_request', 'the request is too long')
      return { next, isAgain: session !== undefined }
    },

    /**
     * Exchanges a code for the tokens of a new session. A code that is used twice ends the login: one of the two
     * may be a thief (RFC 6749 §4.1.2). Only a request that could have been the first ends it, so a code from a
     * log does not.
     * @throws AppError `invalid_grant`, `validation_failed`, `rate_limited`
     */
    async exchange(client: Client, given: Exchange, caller: Caller): Promise<TokenPair> {
      if (!isVerifier.test(given.code_verifier))
        throw invalidField('code_verifier', 'must be 43 to 128 unreserved characters')
      return tokens.issue(await redeem(client, given, caller))
    },

    /**
     * Exchanges a code for the token of a session for forward-auth on the host of the redirect URI.
     * @throws AppError `invalid_grant`, `rate_limited`
     */
    async exchangeForHost(given: Exchange, caller: Caller): Promise<HostToken> {
      const host = hosts.get(given.redirect_uri)
      if (host === undefined) throw new AppError('invalid_grant')
      return tokens.issueForHost(await redeem(ownClient(), given, caller, host), host)
    },
  }

  function ownClient(): Exchanger {
    return { ...gatehouse, redirect_uris: [...hosts.keys()] }
  }

  /** @throws AppError `validation_failed` */
  async function proveClient(query: URLSearchParams) {
    const name = readOnce(query, 'client_id')
    const client = await findExchanger(name)
    if (!client)
      throw invalidField('client_id', 'must name a registered client and appear exactly once')
    const redirect_uri = readOnce(query, 'redirect_uri')
    if (redirect_uri === undefined || !client.redirect_uris.includes(redirect_uri))
      throw invalidField('redirect_uri', 'must be registered for this client, and given once')
    return { client, redirect_uri }
  }

  async function findExchanger(name: string | undefined): Promise<Exchanger | undefined> {
    if (name === ownClientId && hosts.size > 0) return ownClient()
    return name === undefined ? undefined : clients.find(name)
  }

  async function findSession(actor: Actor | undefined) {
    const found = actor && (await store.sessions.find(actor.session_id, actor.user_id))
    if (!found) return undefined
    const { session_id: id, user_id, auth_time, amr } = found.subject
    const age = found.now - Date.parse(auth_time) / 1_000
    return { id, user_id, age, hasFactor: amr?.includes('mfa') ?? false }
  }
}

export type AuthorizationService = ReturnType<typeof createAuthorizationService>

/** The registered text stays as it is, because the client compares it too. */
function withParameters(uri: string, parameters: Record<string, string>): string {
  const text = new URLSearchParams(parameters).toString()
  if (text === '') return uri
  return `${uri}${uri.includes('?') ? '&' : '?'}${text}`
}

const isOlder = (session: { age: number } | undefined, maxAge: number) =>
  session !== undefined && session.age > maxAge
