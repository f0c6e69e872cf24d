import type { FastifyBaseLogger } from 'fastify'
import { AppError, invalidField } from '../errors.js'
import type { PasswordHasher } from '../passwords/hash.js'
import type { TokenPair, TokenService } from '../tokens/service.js'
import { identifierKinds, readIdentifier, type Identifier } from '../users/identifiers.js'
import type { Credential, UserRepository } from '../users/repository.js'
import type { User } from '../users/schemas.js'
import type { Client, SessionRepository } from './repository.js'
import type { LoginBody } from './schemas.js'

type Dependencies = {
  sessions: SessionRepository
  users: UserRepository
  passwords: PasswordHasher
  tokens: TokenService
  log: FastifyBaseLogger
  newId: () => string
  /** All in seconds. */
  accessTtl: number
  refreshTtl: number
  grace: number
}

export type Login = TokenPair & { user: User }

/** Logging in, staying in, logging out. */
export function createSessionService(dependencies: Dependencies) {
  const { sessions, users, passwords, tokens, log, newId, accessTtl, refreshTtl, grace } =
    dependencies
  // Longer than any token lives, by more than clocks may differ.
  const denyFor = accessTtl + 120

  return {
    /**
     * A new session. An unknown user, a wrong password and a disabled account get the same answer
     * in the same time (ASVS 6.3.8).
     * @throws AppError `invalid_credentials`, `validation_failed`, `overloaded`
     */
    async login(body: LoginBody, client: Client, tries = 2): Promise<Login> {
      const found = await users.findCredential(theIdentifier(body))
      const { valid, weak } = await passwords.verify(found?.password_hash, body.password)
      if (!valid || !found?.password_hash || !found.enabled)
        throw new AppError('invalid_credentials')
      const grant = await sessions.create({
        id: newId(),
        user_id: found.user.id,
        password_hash: weak ? await strengthen(found, body.password) : found.password_hash,
        ttl: refreshTtl,
        client,
      })
      // Another login may have strengthened the hash meanwhile: then the new one decides.
      if (!grant && tries > 1) return this.login(body, client, tries - 1)
      if (!grant) throw new AppError('invalid_credentials')
      return { ...tokens.issue(grant), user: found.user }
    },

    /**
     * Exchanges a refresh token for the next pair. The one before the present one still gets the
     * present one within the grace, so that a lost answer or two tabs log nobody out; any other use
     * of a spent token ends the session (RFC 9700 §4.14.2).
     * @throws AppError `invalid_token`
     */
    async refresh(token: string): Promise<TokenPair> {
      const { sid, sub, gen } = tokens.readRefreshToken(token)
      const rotated = await sessions.rotate(sid, sub, gen)
      if (rotated) return tokens.issue(rotated)
      const place = await sessions.find(sid, sub, grace)
      if (!place) throw new AppError('invalid_token')
      if (place.grant.generation === gen + 1 && place.in_grace) return tokens.issue(place.grant)
      await sessions.end(sid, denyFor)
      log.warn({ event: 'refresh_reuse', user_id: sub, sid }, 'a spent refresh token came back')
      throw new AppError('invalid_token')
    },

    /** Ends a session, or all of the user's: the tokens are dead when this returns. */
    async logout({ sid, sub }: { sid: string; sub: string }, everywhere: boolean): Promise<void> {
      if (everywhere) await sessions.endAll(sub, denyFor)
      await sessions.end(sid, denyFor)
    },
  }

  /** Hashes again what was hashed more cheaply; the hash that is stored now. */
  async function strengthen(
    { user, password_hash }: Credential,
    password: string,
  ): Promise<string> {
    const oldHash = password_hash ?? ''
    const newHash = await passwords.hash(password).catch(() => undefined)
    if (newHash === undefined) return oldHash // too busy: the next login does it
    return (await users.replaceHash(user.id, oldHash, newHash)) ? newHash : oldHash
  }
}

export type SessionService = ReturnType<typeof createSessionService>

function theIdentifier(body: LoginBody): Identifier {
  const [kind, second] = identifierKinds.filter((name) => body[name] !== undefined)
  if (kind === undefined)
    throw invalidField('email', 'is required, or a username, or a mobile number')
  if (second !== undefined) throw invalidField(second, 'is one identifier too many')
  return readIdentifier(kind, body[kind] ?? '')
}
