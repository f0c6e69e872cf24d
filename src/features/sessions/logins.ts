import type { Caller } from '../../http/caller.js'
import type { AuditRepository } from '../audit/repository.js'
import type { TokenSubject, TokenPair, TokenService } from '../tokens/service.js'
import type { Credential } from '../users/credential-repository.js'
import type { User } from '../users/schemas.js'
import type { DeviceMarks } from '../limits/device.js'
import type { SessionRepository } from './repository.js'

type Options = {
  tokens: TokenService
  devices: DeviceMarks
  newId: () => string
  /** How long a session lives, in seconds. */
  refreshTtl: number
  /** The most sessions that a user may have. */
  sessionsPerUser: number
}

/** The repositories that open a session. */
export type SessionOpening = {
  audit: Pick<AuditRepository, 'add'>
  sessions: Pick<SessionRepository, 'create'>
}

/** A user whose password or social login was verified, with the hash of the present password. */
type VerifiedUser = Pick<Credential, 'user' | 'password_hash' | 'password_version'>

/**
 * How the user proved who they are, as registered for the claim `amr` (RFC 8176); null where no registered value
 * says it. `auth_time`: when, if it was not now. `detail` goes to the audit log.
 */
type Proof = {
  amr?: string[] | null
  auth_time?: string | null
  detail?: Record<string, string>
}

/** A new session, valid once its transaction commits. */
type OpenedSession = { subject: TokenSubject; owner: VerifiedUser }

/** A completed login. `device` is a mark by which the device is recognised at its next login. */
export type Login = { tokens: TokenPair; user: User; session_id: string; device: string }

/** Opens the session of every login, by password or by a social provider. */
export function createLogins({ tokens, devices, newId, refreshTtl, sessionsPerUser }: Options) {
  return {
    /**
     * Opens a session, and ends the user's oldest ones above the maximum. Returns undefined if the account
     * was disabled, or its password changed, since the user was read.
     */
    async open(
      tx: SessionOpening,
      owner: VerifiedUser,
      caller: Caller,
      { amr = null, auth_time = null, detail = {} }: Proof = {},
    ): Promise<OpenedSession | undefined> {
      const { user_agent, address } = caller
      const { id: user_id } = owner.user
      const id = newId()
      const { password_hash } = owner
      const keep = sessionsPerUser - 1
      // A user who logs in again in the same browser continues the login, so that one logout ends both.
      const joined_id = caller.user_id === user_id ? caller.session_id : null
      const session = { id, user_id, password_hash, ttl: refreshTtl, user_agent, address, keep }
      const created = await tx.sessions.create({ ...session, amr, auth_time, joined_id })
      if (!created) return undefined
      const { subject, ended } = created
      const entry = { caller: { ...caller, user_id, session_id: id }, user_id }
      const event = 'login.succeeded'
      await tx.audit.add({ event, ...entry, detail: { session: id, ...detail } })
      if (ended > 0) {
        const why = { ended, most: sessionsPerUser }
        await tx.audit.add({ event: 'session.ended', ...entry, detail: why })
      }
      return { subject, owner }
    },

    /** Issues the tokens. Call it after the commit, so that no connection waits for the signatures. */
    complete({ subject, owner: { user, password_version: version } }: OpenedSession): Login {
      return {
        tokens: tokens.issue(subject),
        session_id: subject.session_id,
        // The roles may have changed since the user was read.
        user: { ...user, roles: subject.roles },
        device: devices.make({ id: user.id, version }),
      }
    },
  }
}

export type Logins = ReturnType<typeof createLogins>
