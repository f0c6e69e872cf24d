import type { FastifyRequest } from 'fastify'
import type { Marks } from '../features/codes/asker.js'

/** Who asks for something, and from where: what the audit log and the limits want to know. */
export type Caller = {
  /** The user and session of the access token, where there is one. */
  user_id: string | null
  session_id: string | null
  address: string
  user_agent: string | null
  request_id: string | null
  /** Cookies by which the sender of a message's request is recognised. */
  marks?: Marks
}

export function callerOf({ headers, ip, id, user }: FastifyRequest): Caller {
  // Public routes have no user, whatever the type says.
  const claims = user as typeof user | null | undefined
  return {
    user_id: claims?.sub ?? null,
    session_id: claims?.sid ?? null,
    address: ip,
    user_agent: headers['user-agent']?.slice(0, 255) ?? null,
    request_id: id,
  }
}

const nobody = { user_id: null, session_id: null, user_agent: null, request_id: null }

/** The person at the command line. */
export const operator: Caller = { ...nobody, address: 'cli' }

/** The service itself, when something is due. */
export const scheduler: Caller = { ...nobody, address: 'schedule' }
