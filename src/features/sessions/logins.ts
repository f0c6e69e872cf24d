import type { Caller } from '../../http/caller.js'
import type { AuditRepository } from '../audit/repository.js'
import type { Grant, TokenPair, TokenService } from '../tokens/service.js'
import type { Credential } from '../users/repository.js'
import type { User } from '../users/schemas.js'
import type { DeviceMarks } from '../limits/device.js'
import type { SessionRepository } from './repository.js'

type Options = {
  tokens: TokenService
  devices: DeviceMarks
  newId: () => string
  /** How long a session lives, in seconds. */
  refreshTtl: number
  /** How many sessions a user may have. */
  maxSessions: number
}

/** What opening a session uses. */
export type SessionOpening = {
  audit: Pick<AuditRepository, 'add'>
  sessions: Pick<SessionRepository, 'create' | 'endOldest'>
}

/** A user whose password or provider was verified, with the hash of the present password. */
type Recognised = Pick<Credential, 'user' | 'password_hash' | 'password_version'>

/** A session that stands once its transaction commits. */
type OpenedSession = { grant: Grant; owner: Recognised }

/** `device` marks the browser or script for its next login. A second step would be another form of this. */
export type Login = { tokens: TokenPair; user: User; device: string }

/** Opens the session of every login, by password or by provider. */
export function createLogins({ tokens, devices, newId, refreshTtl, maxSessions }: Options) {
  return {
    /**
     * Undefined where the account was disabled, or its password changed, since the user was read.
     * `detail` is for the audit log.
     */
    async open(
      tx: SessionOpening,
      owner: Recognised,
      caller: Caller,
      detail: Record<string, string> = {},
    ): Promise<OpenedSession | undefined> {
      const { user_agent, address } = caller
      const { id: user_id } = owner.user
      const id = newId()
      const { password_hash } = owner
      const session = { id, user_id, password_hash, ttl: refreshTtl, user_agent, address }
      const grant = await tx.sessions.create(session)
      if (!grant) return undefined
      const entry = { caller: { ...caller, user_id, session_id: id }, user_id }
      const event = 'login.succeeded'
      await tx.audit.add({ event, ...entry, detail: { session: id, ...detail } })
      const ended = await tx.sessions.endOldest(user_id, id, maxSessions - 1)
      if (ended > 0) {
        const why = { ended, most: maxSessions }
        await tx.audit.add({ event: 'session.ended', ...entry, detail: why })
      }
      return { grant, owner }
    },

    /** Issues the tokens, after the commit: no connection waits for the signatures. */
    complete({ grant, owner: { user, password_version: version } }: OpenedSession): Login {
      return { tokens: tokens.issue(grant), user, device: devices.make({ id: user.id, version }) }
    },
  }
}

export type Logins = ReturnType<typeof createLogins>
